"""Models of payouts through WeChat Pay and of their pauses."""

import re
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import empty, filled, filled_exactly_when, filled_together
from config.platform.triggers import FixedColumns, Rule, Transitions
from earnings.models.triggers import PAYOUT_GOES_TO_THE_RECEIVER
from earnings.models.withdrawal import Withdrawal


class PayoutQuerySet(models.QuerySet["Payout"]):
    def due(self, *, at: datetime) -> "PayoutQuerySet":
        """Return the open payouts that a worker may claim now, the longest due first."""
        unleased = self.filter(Q(leased_until=None) | Q(leased_until__lte=at))
        waiting = unleased.filter(next_attempt_at__lte=at, finished_at=None, needs_operator_at=None)
        return waiting.order_by("next_attempt_at")

    def lock(self, number: UUID | str) -> "Payout | None":
        """Lock the withdrawal with this id, or `out_bill_no`, then its payout. Every caller uses this order.

        Returns None without a payout. A text in another form than our numbers names no payout.
        """
        if isinstance(number, str) and not re.fullmatch("[0-9a-f]{32}", number):
            return None
        key = UUID(str(number))
        if Withdrawal.objects.select_for_update().select_related(None).filter(pk=key).first() is None:
            return None
        payouts = self.select_for_update(of=("self",)).select_related("withdrawal__user")
        return payouts.filter(pk=key).first()

    def confirmable(self) -> "PayoutQuerySet":
        """Return the payouts that their users can confirm now."""
        waiting = self.filter(state=Payout.State.WAITING_USER, provider_state__in=Payout.USER_CAN_CONFIRM)
        return waiting.filter(cancel_asked_at=None).exclude(package_info="")

    def needing_an_operator(self) -> "PayoutQuerySet":
        """Return the payouts left to operators, which are neither queried nor sent again."""
        return self.filter(Payout.LEFT_TO_OPERATORS)

    def contradicted(self) -> "PayoutQuerySet":
        """Return the unreviewed payouts whose end at WeChat Pay differs from ours."""
        return self.filter(Payout.CONTRADICTED)


class PayoutState(models.TextChoices):
    PREPARED = "prepared", _("待打款")  # may be sent
    SENT = "sent", _("结果待查")  # may have reached WeChat Pay: only queried from here on
    WAITING_USER = "waiting_user", _("待用户确认")
    SUCCEEDED = "succeeded", _("成功")
    FAILED = "failed", _("失败")
    REVOKED = "withdrawn", _("已撤销")  # the withdrawal was rejected before the payout was sent


class Payout(models.Model):
    """The one transfer of an approved withdrawal through WeChat Pay, always under the same number."""

    # Values of `provider_state` in which the user can confirm: for the first time, or again.
    USER_CAN_CONFIRM = ("WAIT_USER_CONFIRM", "TRANSFERING")
    LEFT_TO_OPERATORS = Q(finished_at__isnull=True, needs_operator_at__isnull=False)
    CONTRADICTED = Q(contradicted_at__isnull=False, reviewed_at__isnull=True)

    State: TypeAlias = PayoutState

    withdrawal = models.OneToOneField(
        Withdrawal, models.PROTECT, primary_key=True, related_name="payout", verbose_name=_("提现")
    )
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.PREPARED)
    created_at = models.DateTimeField(_("创建时间"))
    next_attempt_at = models.DateTimeField(_("下次处理时间"))
    leased_until = models.DateTimeField(null=True, editable=False)  # a worker has the payout until then
    attempts = models.PositiveSmallIntegerField(_("尝试次数"), default=0)
    sent_at = models.DateTimeField(_("首次提交时间"), null=True, blank=True)  # the first call to WeChat Pay
    called_at = models.DateTimeField(_("最近提交时间"), null=True, blank=True)  # the last call, possibly in flight
    # Copied from the withdrawal at the first call and never changed, because WeChat Pay refuses the same number with
    # another receiver.
    open_id = models.CharField(_("收款 open_id"), max_length=128, blank=True)
    app_id = models.CharField(_("收款 app_id"), max_length=64, blank=True)
    cancel_asked_at = models.DateTimeField(
        _("要求撤销时间"), null=True, blank=True
    )  # the user was blocked after sending
    needs_operator_at = models.DateTimeField(_("转人工时间"), null=True, blank=True)  # left to operators since then
    finished_at = models.DateTimeField(_("结束时间"), null=True, blank=True)
    finished_by = models.CharField(_("结束人"), max_length=80, blank=True)  # the operator who decided, or blank
    contradicted_at = models.DateTimeField(
        _("与微信结果不符时间"), null=True, blank=True
    )  # WeChat Pay reported another end
    reviewed_at = models.DateTimeField(_("核对时间"), null=True, blank=True)
    reviewed_by = models.CharField(_("核对人"), max_length=80, blank=True)  # the operator who reviewed it
    package_info = models.TextField(blank=True)  # WeChat's confirmation page needs it
    provider_state = models.CharField(
        _("微信状态"), max_length=32, blank=True
    )  # of the bill at WeChat Pay; "": no bill
    note = models.CharField(_("说明"), max_length=200, blank=True)

    objects = PayoutQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("打款"), pgettext_lazy("plural", "打款")
        permissions = [("decide_payout", "人工确认打款结果")]
        ordering = ["-created_at", "withdrawal_id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[PayoutState.PREPARED, PayoutState.REVOKED]) | filled("sent_at"),
                name="payout_beyond_prepared_was_sent",
            ),
            models.CheckConstraint(
                condition=empty("sent_at", "called_at") | filled("sent_at") & Q(called_at__gte=F("sent_at")),
                name="sent_payout_was_called",
            ),
            models.CheckConstraint(
                condition=filled_exactly_when(
                    Q(state__in=[PayoutState.SUCCEEDED, PayoutState.FAILED, PayoutState.REVOKED]), "finished_at"
                ),
                name="finished_payout_has_finished_at",
            ),
            models.CheckConstraint(
                condition=empty(texts=["finished_by"]) | filled("finished_at", texts=["note"]),
                name="payout_decided_by_somebody_has_a_note",
            ),
            models.CheckConstraint(
                condition=Q(next_attempt_at__gte=F("created_at")), name="payout_due_after_it_was_made"
            ),
            models.CheckConstraint(
                condition=empty("leased_until") | ~Q(state=PayoutState.PREPARED) & empty("finished_at"),
                name="leased_payout_was_sent_and_is_open",
            ),
            models.CheckConstraint(
                condition=~Q(state=PayoutState.PREPARED) | empty("needs_operator_at"),
                name="payout_left_to_operators_was_sent",
            ),
            models.CheckConstraint(
                condition=empty("reviewed_at", texts=["reviewed_by"])
                | filled("reviewed_at", "contradicted_at", texts=["reviewed_by", "note"]),
                name="reviewed_payout_was_contradicted",
            ),
            models.CheckConstraint(
                condition=empty("contradicted_at") | filled("finished_at"),
                name="contradicted_payout_has_ended",
            ),
        ]
        indexes = [
            # workers, and the admin's list of open payouts
            models.Index(
                fields=["next_attempt_at"], condition=Q(finished_at__isnull=True), name="payouts_under_way"
            ),
            models.Index(fields=["-created_at", "withdrawal"], name="payouts_newest_first"),
            models.Index(fields=["finished_at"], condition=Q(state=PayoutState.FAILED), name="payouts_failed"),
            models.Index(  # the admin's filter by state, without succeeded payouts, which are most of the rows
                fields=["state", "-created_at", "withdrawal"],
                condition=~Q(state=PayoutState.SUCCEEDED),
                name="payouts_not_succeeded",
            ),
            models.Index(
                fields=["contradicted_at"], condition=Q(contradicted_at__isnull=False), name="payouts_contradicted"
            ),
        ]
        triggers = [
            Transitions(
                name="payout_moves_one_way",
                field="state",
                allowed=[
                    (PayoutState.PREPARED, PayoutState.SENT),
                    (PayoutState.PREPARED, PayoutState.REVOKED),
                    (PayoutState.SENT, PayoutState.WAITING_USER),
                    (PayoutState.SENT, PayoutState.SUCCEEDED),
                    (PayoutState.SENT, PayoutState.FAILED),
                    (PayoutState.WAITING_USER, PayoutState.SUCCEEDED),
                    (PayoutState.WAITING_USER, PayoutState.FAILED),
                ],
                constraint="payout_moves_one_way",
                message="a payout does not go from % to %",
            ),
            FixedColumns(
                name="sent_payout_keeps_its_receiver",
                fields=["open_id", "app_id", "sent_at"],
                condition="OLD.sent_at IS NOT NULL",
                # the receiver of an ended payout may be erased, but not replaced
                unless="OLD.finished_at IS NOT NULL AND (NEW.open_id, NEW.app_id, NEW.sent_at) = ('', '', OLD.sent_at)",
                constraint="sent_payout_keeps_its_receiver",
                message="a payout that was sent keeps its receiver",
            ),
            Rule(
                name="payout_goes_to_the_receiver_asked_for",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("OLD.sent_at IS NULL AND NEW.sent_at IS NOT NULL"),
                func=PAYOUT_GOES_TO_THE_RECEIVER,
            ),
        ]

    def __str__(self) -> str:
        values = {"amount": self.withdrawal.amount, "state": self.get_state_display()}
        return gettext("打款 %(amount)s 元（%(state)s）") % values

    @property
    def can_be_confirmed(self) -> bool:
        """Return whether the user can confirm this payout now, as `PayoutQuerySet.confirmable` decides."""
        is_waiting = self.state == self.State.WAITING_USER and self.provider_state in self.USER_CAN_CONFIRM
        return is_waiting and self.cancel_asked_at is None and self.package_info != ""


class PayoutPause(models.Model):
    """A period in which no new payout is sent to WeChat Pay, with its reason. At most one is open.

    A pause caused by WeChat Pay (the merchant account is empty) tries one payout at `next_attempt_at` and ends when that
    succeeds. An operator's pause has no `next_attempt_at` and ends when an operator resumes.
    """

    id = models.BigAutoField(primary_key=True)
    reason = models.CharField(_("原因"), max_length=200)
    paused_at = models.DateTimeField(_("暂停时间"))
    paused_by = models.CharField(_("暂停人"), max_length=80)
    next_attempt_at = models.DateTimeField(_("下次尝试时间"), null=True, blank=True)
    resumed_at = models.DateTimeField(_("恢复时间"), null=True, blank=True)
    resumed_by = models.CharField(_("恢复人"), max_length=80, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("打款暂停"), pgettext_lazy("plural", "打款暂停")
        permissions = [("pause_payouts", "暂停与恢复打款")]
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(resumed_at__isnull=True), name="one_pause_of_payouts_at_a_time"
            ),
            models.CheckConstraint(
                condition=filled(texts=["reason", "paused_by"]), name="pause_has_somebody_and_reason"
            ),
            models.CheckConstraint(
                condition=filled_together("resumed_at", texts=["resumed_by"]),
                name="resumed_pause_has_somebody",
            ),
        ]

    def __str__(self) -> str:
        return self.reason
