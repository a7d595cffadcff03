"""Admin page of withdrawals: search, risk hints, approval and rejection, each with a confirmation page."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import independence
from accounts.labels import person_label
from config.backoffice import changelist, dashboard
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin, ReadOnlyInline
from config.backoffice.filters import amounts, days, states
from config.backoffice.labels import label
from config.platform.dates import shanghai_time
from earnings import withdrawals
from earnings.admin.payouts import pause_notice
from earnings.admin.risks import has_risk, risks_of, short_hints, with_risks
from earnings.admin.wechat_reasons import explained
from earnings.models import EarningsRules, Payout, Withdrawal, WithdrawalStep
from earnings.models.withdrawal import WithdrawalQuerySet
from groups.models import Group

NOT_TO_REVIEW = _("不在待审核状态")
SHOWN_BEFORE = 10
RISKS_AMONG = 500  # waiting withdrawals, among which those with a risk are found: each is looked up in five tables
Status = Withdrawal.Status
_TONES: dict[int, str] = {
    Status.TO_REVIEW: "wait",
    Status.PAYING: "info",
    Status.REJECTED: "off",
    Status.PAID: "good",
    Status.FAILED: "bad",
}


class StepInline(ReadOnlyInline):
    model = WithdrawalStep
    fields = ("taken_at", "taken_by", "from_status", "to_status", "reason_text")
    readonly_fields = fields

    @admin.display(description=_("原因"))
    def reason_text(self, step: WithdrawalStep) -> str:
        return explained(step.reason)


class PayoutInline(ReadOnlyInline):
    model = Payout
    fields = ("state", "provider_state_text", "attempts", "sent_at", "next_attempt_at", "finished_at", "note")
    readonly_fields = fields

    @admin.display(description=_("微信状态"))
    def provider_state_text(self, payout: Payout) -> str:
        return explained(payout.provider_state)


def _total_note(withdrawal: Any) -> str:
    """Return the 24-hour total of a waiting withdrawal, or "" when the total is its own amount."""
    if withdrawal.status != Status.TO_REVIEW or withdrawal.total == withdrawal.amount:
        return ""
    return gettext("24 小时内合计 %s 元") % withdrawal.total


def _sum(rows: QuerySet[Withdrawal]) -> Decimal:
    return rows.aggregate(total=Sum("amount"))["total"] or Decimal("0.00")


def _to_review(chosen: QuerySet[Withdrawal]) -> str:
    waiting = chosen.filter(status=Status.TO_REVIEW)
    return gettext("其中待审核 %(count)s 条，共 %(total)s 元") % {"count": waiting.count(), "total": _sum(waiting)}


def _to_approve(chosen: QuerySet[Any]) -> str:
    """Return the number and sum of the waiting withdrawals, of those with a risk, and of those for two operators."""
    waiting = chosen.filter(status=Status.TO_REVIEW)
    parts = [_to_review(chosen)]
    if risky := waiting.filter(has_risk(at=timezone.now())).count():
        parts.append(gettext("有风险提示 %(count)s 条") % {"count": risky})
    limit = EarningsRules.current().second_approval_above
    above = waiting.none() if limit is None else waiting.filter(total__gt=limit)
    for rows, text in (
        (above.filter(first_approved_at=None), _("只会初审、还要第二人通过 %(count)s 条，共 %(total)s 元")),
        (above.filter(first_approved_at__isnull=False), _("已由一人初审 %(count)s 条，共 %(total)s 元")),
    ):
        if count := rows.count():
            parts.append(str(text) % {"count": count, "total": _sum(rows)})
    return "；".join(parts)


def _lines(chosen: QuerySet[Withdrawal]) -> list[str]:
    """Return a line for each withdrawal with its user, amount and risks, the longest waiting first."""
    rows = with_risks(chosen.select_related("user"), at=timezone.now()).order_by("asked_at", "-pk")[:SHOWN]
    limit = EarningsRules.current().second_approval_above
    return [" ".join(part for part in _line(row, limit) if part) for row in rows]


def _line(row: Any, limit: Decimal | None) -> Iterator[str]:
    yield person_label(row.user)
    yield gettext("%s 元") % row.amount
    yield row.get_status_display()
    if row.reviewed_at is not None:
        yield gettext("由 %(by)s 于 %(at)s") % {"by": row.reviewed_by, "at": shanghai_time(row.reviewed_at)}
    yield _total_note(row)
    if limit is not None and row.status == Status.TO_REVIEW and row.total > limit:
        yield gettext("要两人审核")
    if hints := short_hints(row):
        yield "⚠ " + "、".join(map(str, hints))


class ReviewQueue(states("review", _("审核"), {})):  # type: ignore[misc]  # a class made by a function
    """The parts of the review queue: withdrawals with a risk, for a second operator, and first approved by oneself."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("risky", _("有风险提示（只查最早的 500 条）")),
            ("second", _("待第二人审核")),
            ("own", _("由我初审")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        waiting = queryset.filter(status=Status.TO_REVIEW)
        first_approved = waiting.exclude(first_approved_at=None)
        match self.value():
            case "risky":
                oldest = Withdrawal.objects.filter(status=Status.TO_REVIEW).order_by("asked_at", "-pk")
                keys = list(oldest.values_list("pk", flat=True)[:RISKS_AMONG])
                rows = with_risks(Withdrawal.objects.filter(pk__in=keys).order_by(), at=timezone.now())
                return waiting.filter(pk__in=[row.pk for row in rows if short_hints(row)])
            case "second":
                return first_approved.exclude(first_approved_by=request.user.get_username())
            case "own":
                return first_approved.filter(first_approved_by=request.user.get_username())
        return super().queryset(request, queryset)


@admin.register(Withdrawal)
class WithdrawalAdmin(ReadOnlyAdmin):
    export_permission = "earnings.export_money"
    list_display = (
        "asked_at",
        "state",
        "user",
        "phone",
        "amount",
        "hints",
        "reason_text",
        "first_approved_by",
        "reviewed_by",
        "reviewed_at",
        "paid_at",
    )
    list_select_related = ("user",)
    list_filter = (
        "status",
        ReviewQueue,
        amounts("amount", _("金额（元）")),
        days("asked_at", _("申请时间")),
        days("paid_at", _("打款时间")),
    )
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号")
    ordering = ("-asked_at", "id")
    sortable_by = ("asked_at", "amount", "paid_at")
    found_by = ("user__phone__exact", "user__code__exact")
    reached_from = {"accounts.user": ("user", _("提现"))}
    fields = (
        ("user", "phone"),
        ("amount", "status"),
        "person",
        "risks",
        "earlier",
        ("asked_at", "paid_at", "failed_at"),
        ("first_approved_by", "first_approved_at"),
        ("reviewed_by", "reviewed_at", "reason_text"),
    )
    readonly_fields = ("phone", "reason_text", "person", "risks", "earlier")
    inlines = (StepInline, PayoutInline)
    actions = ("approve", "reject", *EXPORTS)
    row_actions = ("approve", "reject")
    row_actions_after = "hints"

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the longest waiting first in the review queue, and the newest first elsewhere."""
        is_queue = request.GET.get("status__exact") == str(Status.TO_REVIEW.value) or "review" in request.GET
        return ("asked_at", "-id") if is_queue else ("-asked_at", "id")

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and obj.status == Status.TO_REVIEW

    @admin.display(description=_("手机号"))
    def phone(self, withdrawal: Withdrawal) -> str:
        return withdrawal.user.phone or ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return cast(WithdrawalQuerySet, super().get_queryset(request)).with_total(at=timezone.now())

    def notice(self) -> str:
        return pause_notice()

    def found_detail(self, row: Withdrawal) -> str:
        return f"{person_label(row.user)} · {shanghai_time(row.asked_at)}"

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """Look up the risks of the waiting ones in one query."""
        waiting = Withdrawal.objects.filter(pk__in=[row.pk for row in rows if row.status == Status.TO_REVIEW])
        found = {row.pk: short_hints(row) for row in with_risks(waiting, at=timezone.now())}
        for row in rows:
            row.short_hints = found.get(row.pk, [])

    @admin.display(description=_("状态"))
    def state(self, withdrawal: Withdrawal) -> SafeString:
        shown = str(withdrawal.get_status_display())
        if withdrawal.waits_for_second:
            shown = gettext("%s（待第二人审核）") % shown
        elif total := _total_note(withdrawal):
            shown = f"{shown}（{total}）"
        return label(shown, _TONES[withdrawal.status])

    @admin.display(description=_("原因"))
    def reason_text(self, withdrawal: Withdrawal) -> str:
        return explained(withdrawal.reason)

    @admin.display(description=_("风险提示"))
    def hints(self, withdrawal: Any) -> str:
        found = withdrawal.short_hints
        return label("、".join(map(str, found)), "bad") if found else ""

    @admin.display(description=_("账户"))
    def person(self, withdrawal: Withdrawal) -> str:
        account = getattr(withdrawal.user, "account", None)
        values = {
            "available": account.available if account else 0,
            "withdrawing": account.withdrawing if account else 0,
            "earned": account.earned if account else 0,
            "groups": Group.objects.served_for(withdrawal.user).count(),
            "cancelled": Group.objects.filter(user=withdrawal.user, cancelled_at__isnull=False).count(),
        }
        return (
            gettext(
                "余额 %(available)s 元，提现中 %(withdrawing)s 元，累计收益 %(earned)s 元；"
                "服务中的群 %(groups)s 个，已注销 %(cancelled)s 个"
            )
            % values
        )

    @admin.display(description=_("风险提示"))
    def risks(self, withdrawal: Withdrawal) -> SafeString:
        hints = [(str(sentence) % values,) for sentence, values in risks_of(withdrawal, at=timezone.now())]
        if not hints:
            return format_html("{}", gettext("没有发现异常"))
        items = format_html_join("", '<li class="risk">{}</li>', hints)
        return format_html('<ul class="hints">{}</ul>', items)

    @admin.display(description=_("历史提现"))
    def earlier(self, withdrawal: Withdrawal) -> SafeString:
        rows = Withdrawal.objects.filter(user=withdrawal.user).exclude(pk=withdrawal.pk)[:SHOWN_BEFORE]
        cells = (
            (timezone.localtime(row.asked_at).date(), row.amount, row.get_status_display(), row.reason)
            for row in rows
        )
        lines = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", cells)
        return format_html("<table>{}</table>", lines) if lines else format_html("{}", gettext("第一次提现"))

    @confirmed(
        _("通过并打款"),
        permission="earnings.review_withdrawal",
        title=_("通过提现"),
        question=_(
            "将通过其中待审核的提现，随后由微信支付打款。一名用户待审核的和 24 小时内通过的提现合计计算，"
            "超过“收益规则”里的金额时要另一名运营人员再通过一次。"
        ),
        total=_to_approve,
        lines=_lines,
    )
    def approve(self, chosen: Confirmed) -> None:
        request, approved = chosen.request, withdrawals.approve(chosen.keys, by=chosen.by, at=chosen.at)
        first_approved, own = len(approved.first_approved), len(approved.own_first_approvals)
        self.report(request, done=first_approved, chosen=0, did=_("已初审，待另一名运营人员通过"), why_not="")
        if own:
            text = gettext(
                "%(count)s 条由你初审过，要另一名运营人员通过；超过多少元要两人审核，在“收益规则”里设置。"
            )
            self.message_user(request, text % {"count": own}, messages.WARNING)
        dependent = approved.dependent
        if dependent:
            approvers = "、".join(sorted({withdrawal.first_approved_by for withdrawal in dependent}))
            values = {"count": len(dependent), "who": approvers, "why": gettext(independence.NOT_INDEPENDENT)}
            self.message_user(request, gettext("%(count)s 条由 %(who)s 初审：%(why)s。") % values, messages.WARNING)
        others = len(chosen.keys) - first_approved - own - len(dependent)
        self.report(request, done=len(approved.paying), chosen=others, did=_("已通过"), why_not=NOT_TO_REVIEW)

    @confirmed(
        _("拒绝并退回余额"),
        permission="earnings.review_withdrawal",
        title=_("拒绝提现"),
        question=_("将拒绝其中待审核的提现，金额退回用户余额。请写明原因，用户会看到。"),
        total=_to_review,
        lines=_lines,
        form=ReasonForm,
        did=_("已拒绝"),
        why_not=NOT_TO_REVIEW,
    )
    def reject(self, chosen: Confirmed) -> int:
        return len(withdrawals.reject(chosen.keys, by=chosen.by, at=chosen.at, **chosen.fields))


def _waiting() -> tuple[int, str]:
    """Return the number of waiting withdrawals and their total. Above changelist.COUNT_LIMIT only the newest are summed."""
    waiting = Withdrawal.objects.filter(status=Status.TO_REVIEW)
    number = changelist.capped_count(waiting)
    values = {"count": changelist.COUNT_LIMIT, "total": _sum(waiting[: changelist.COUNT_LIMIT])}
    remark = (
        gettext("共 %(total)s 元")
        if number <= changelist.COUNT_LIMIT
        else gettext("最新 %(count)s 条共 %(total)s 元")
    ) % values
    second = waiting.exclude(first_approved_at=None)[: changelist.COUNT_LIMIT].count()
    return number, remark + (gettext("，其中待第二人审核 %s 条") % second if second else "")


dashboard.register_task(
    _("待审核提现"),
    page="earnings_withdrawal",
    query="status__exact=0",
    permission="earnings.review_withdrawal",
    count=_waiting,
)


dashboard.register_chart(
    _("提现（元）"),
    permission="earnings.view_withdrawal",
    page="earnings_withdrawal",
    moment="asked_at",
    lines=[
        ("withdrawals.asked", _("申请"), dashboard.per_day(Withdrawal.objects.all, "asked_at", Sum("amount"))),
        ("withdrawals.paid", _("打款"), dashboard.per_day(Withdrawal.objects.all, "paid_at", Sum("amount"))),
    ],
)
