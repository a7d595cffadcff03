"""Admin pages of payouts and their pauses."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.labels import person_label, person_link
from config.backoffice import dashboard
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed, confirmed_button
from config.backoffice.base import EXPORTS, ReadOnlyAdmin
from config.backoffice.filters import days, states
from config.backoffice.queues import register_queue
from config.backoffice.readable import money_column
from config.platform.dates import day_of, shanghai_time, start_of
from earnings.admin.wechat_reasons import explained
from earnings.models import Payout, PayoutPause
from earnings.payouts import pauses, state

LONG_UNKNOWN_TRIES = 5  # queries since the last change of state: 18 minutes or more (state.QUERY_BACKOFF)
_UNKNOWN = Q(state=Payout.State.SENT, needs_operator_at__isnull=True, attempts__gte=LONG_UNKNOWN_TRIES)
_ATTENTION = {
    "open": (_("未结束"), Q(finished_at__isnull=True)),
    "operator": (_("要人工确认"), Payout.LEFT_TO_OPERATORS),
    "contradicted": (_("与微信结果不符"), Payout.CONTRADICTED),
    "unknown": (_("结果久未查明"), Q(finished_at__isnull=True) & _UNKNOWN),
    "failed": (_("失败"), Q(state=Payout.State.FAILED)),
}


class DecisionForm(ReasonForm):
    paid = forms.TypedChoiceField(
        label=_("商户平台显示"),
        choices=[("", "---------"), ("1", _("已到账")), ("0", _("未付款"))],
        coerce=lambda value: value == "1",
    )


def _apply_to_each(chosen: Confirmed, do: Callable[..., None]) -> int:
    """Call `do` for each payout and skip refused payouts. Returns the number done."""
    done = 0
    for key in chosen.keys:
        with suppress(state.NotForOperators, state.NotContradicted):
            do(key, by=chosen.by, at=chosen.at, **chosen.fields)
            done += 1
    return done


def _lines(chosen: QuerySet[Payout]) -> list[str]:
    """Return a line for each payout: amount, user, and the number that the merchant platform shows."""
    rows = chosen.select_related("withdrawal__user")[:SHOWN]
    return [
        f"{row.withdrawal.amount} 元 · {person_label(row.withdrawal.user)} · {row.withdrawal.out_bill_no}"
        for row in rows
    ]


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin):
    export_permission = "earnings.export_money"
    list_display = (
        "created_at",
        "person",
        money_column("amount", _("金额（元）")),
        "state",
        "bill_state",
        "attempts",
        "sent_at",
        "needs_operator_at",
        "finished_at",
        "contradicted_at",
        "shown_note",
    )
    list_select_related = ("withdrawal__user",)
    list_filter = ("state", states("attention", _("需要处理"), _ATTENTION), days("created_at", _("创建时间")))
    search_fields = ("withdrawal__user__phone__contains",)
    search_help_text = _("手机号的任意几位")
    ordering = ("-created_at", "withdrawal_id")
    reached_from = {"earnings.withdrawal": ("withdrawal", _("打款"))}
    fields = (
        ("withdrawal", "person"),
        ("state", "bill_state", "shown_note"),
        ("created_at", "sent_at", "called_at", "next_attempt_at", "attempts"),
        ("needs_operator_at", "cancel_asked_at"),
        ("finished_at", "finished_by"),
        ("contradicted_at", "reviewed_at", "reviewed_by"),
        ("bill_number", "open_id", "app_id"),
    )
    readonly_fields = ("person", "bill_state", "shown_note", "bill_number")
    actions = ("decide", "close_contradiction", *EXPORTS)
    list_buttons = ("pause", "resume")

    def notice(self) -> str:
        return pause_notice()

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        for row in rows:
            row.amount = row.withdrawal.amount

    @admin.display(description=_("用户"))
    def person(self, payout: Payout) -> str:
        return person_link(payout.withdrawal.user)

    @admin.display(description=_("微信状态"))
    def bill_state(self, payout: Payout) -> str:
        return explained(payout.provider_state) or "-"

    @admin.display(description=_("说明"))
    def shown_note(self, payout: Payout) -> str:
        return explained(payout.note) or "-"

    @admin.display(description=_("商户单号"))
    def bill_number(self, payout: Payout) -> str:
        """Return the number of the transfer, by which the merchant platform finds it."""
        return payout.withdrawal.out_bill_no

    def is_action_available(self, action: str, obj: Any) -> bool:
        if not super().is_action_available(action, obj):
            return False
        if action == "close_contradiction":
            return obj.contradicted_at is not None and obj.reviewed_at is None
        return obj.finished_at is None and obj.needs_operator_at is not None

    @confirmed(
        _("人工确认结果"),
        permission="earnings.decide_payout",
        title=_("人工确认打款结果"),
        question=_("微信支付已查不到结果。请先在商户平台核对，再写明依据。确认后不能更改。"),
        lines=_lines,
        form=DecisionForm,
        did=_("已确认"),
        why_not=_("不需要人工确认"),
    )
    def decide(self, chosen: Confirmed) -> int:
        return _apply_to_each(chosen, state.decide)

    @confirmed(
        _("核对完毕"),
        permission="earnings.decide_payout",
        title=_("与微信结果不符的打款核对完毕"),
        question=_("不改变打款结果和余额，只记录已经处理。请写明核对结果和处理办法。"),
        lines=_lines,
        form=ReasonForm,
        did=_("已确认"),
        why_not=_("与微信结果没有不符"),
    )
    def close_contradiction(self, chosen: Confirmed) -> int:
        return _apply_to_each(chosen, state.close_contradiction)

    @confirmed_button(
        _("暂停打款"),
        permission="earnings.pause_payouts",
        question=_("将停止发起新的打款，直到恢复。已经发起的照常查询结果。"),
        form=ReasonForm,
        did=_("已暂停打款"),
        why_not=_("打款已经暂停"),
    )
    def pause(self, chosen: Confirmed) -> bool:
        """Stop sending new payouts to WeChat Pay until an operator resumes."""
        with suppress(pauses.AlreadyPaused):
            pauses.pause_payouts(by=chosen.by, at=chosen.at, **chosen.fields)
            return True
        return False

    @confirmed_button(
        _("恢复打款"),
        permission="earnings.pause_payouts",
        question=_("将恢复发起打款，等待中的打款会立即发出。请先确认暂停的原因已经解决。"),
        did=_("已恢复打款"),
        why_not=_("打款没有暂停"),
    )
    def resume(self, chosen: Confirmed) -> bool:
        """Resume sending after a confirmation, because the waiting payouts are sent at once."""
        with suppress(pauses.NotPaused):
            pauses.resume_payouts(by=chosen.by, at=chosen.at)
            return True
        return False


@admin.register(PayoutPause)
class PayoutPauseAdmin(ReadOnlyAdmin):
    list_display = ("paused_at", "paused_by", "reason", "next_attempt_at", "resumed_at", "resumed_by")
    ordering = ("-id",)


def _paused() -> tuple[int, str]:
    pause = pauses.open_pause()
    return (1, pause.reason) if pause else (0, "")


def pause_notice() -> str:
    """Return since when and why payouts are paused, or ""."""
    pause = pauses.open_pause()
    if pause is None:
        return ""
    values = {"since": shanghai_time(pause.paused_at), "by": pause.paused_by, "reason": pause.reason}
    return gettext("打款已暂停：%(reason)s（自 %(since)s，%(by)s）。通过的提现要等恢复后才发出。") % values


def _failed_today() -> QuerySet[Payout]:
    return Payout.objects.filter(state=Payout.State.FAILED, finished_at__gte=start_of(day_of(timezone.now())))


dashboard.register_task(
    _("打款已暂停"),
    page="earnings_payout",
    query="",
    permission="earnings.view_payout",
    count=_paused,
    is_urgent=True,
    button=dashboard.Button(_("恢复打款"), "resume", "earnings.pause_payouts"),
)
for title, query, count in (
    (_("打款要人工确认"), "attention=operator", dashboard.counted(Payout.objects.needing_an_operator)),
    (_("打款与微信结果不符"), "attention=contradicted", dashboard.counted(Payout.objects.contradicted)),
    (
        _("打款结果久未查明"),
        "attention=unknown",
        dashboard.counted(lambda: Payout.objects.filter(_ATTENTION["unknown"][1])),
    ),
    (_("今天打款失败"), "attention=failed", dashboard.counted(_failed_today)),
):
    dashboard.register_task(
        title,
        page="earnings_payout",
        query=query,
        permission="earnings.view_payout",
        count=count,
        is_urgent=True,
    )


register_queue(
    Payout,
    waiting=Q(finished_at__isnull=True, needs_operator_at__isnull=True),
    failed=Payout.LEFT_TO_OPERATORS,
    late_after=timedelta(minutes=30),
    waiting_query="attention=open",
    failed_query="attention=operator",
    note=_("不能重试或关闭，以免重复打款。请核对微信支付的结果后，在列表中“人工确认结果”。"),
)
