"""Read-only admin pages of the ledger. Operators correct a wrong transaction by a reversal."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice import dashboard
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin
from config.backoffice.filters import days, states
from earnings import ledger, ledger_check
from earnings.admin.reversals import (
    NOT_REVERSED,
    part_total,
    reversal_lines,
    reversal_total,
    reversible_parts,
    try_reverse,
)
from earnings.models import Account, IncomeType, LedgerCheck, LedgerEntry, LedgerTransaction


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ("user", "phone", "kind", "available", "withdrawing", "earned", "opened_at")
    list_select_related = ("user",)
    list_filter = ("kind", days("opened_at", _("开户时间")))
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号")
    ordering = ("-opened_at", "id")
    reached_from = {"accounts.user": ("user", _("账户"))}

    @admin.display(description=_("手机号"))
    def phone(self, account: Account) -> str:
        return (account.user and account.user.phone) or ""


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    """Ledger entries, listed by account or by transaction."""

    list_display = ("day", "account", "bucket", "amount", "income_type", "transaction")
    list_select_related = ("account__user", "transaction")
    list_filter = (
        states(
            "income_type",
            _("收益类型"),
            {str(value): (label, Q(income_type=value)) for value, label in IncomeType.choices},
        ),
        "bucket",
    )
    search_fields = ("account__user__phone__contains", "account__user__code__exact")
    search_help_text = _("手机号的任意几位，或完整的网关编号")
    ordering = ("-id",)
    reached_from = {
        "accounts.user": ("account__user", _("账务")),
        "earnings.account": ("account", _("分录")),
        "earnings.ledgertransaction": ("transaction", _("分录")),
    }
    actions = ("reverse_part", *EXPORTS)

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and bool(
            reversible_parts(LedgerEntry.objects.filter(pk=obj.pk))
        )

    @confirmed(
        _("冲正此人的部分"),
        permission="earnings.reverse_ledgertransaction",
        title=_("冲正个人的收益"),
        question=_("将收回所选的人在该笔流水中得到的全部金额，同一流水里其他人的不变。请写明原因。"),
        total=part_total,
        lines=lambda rows: [str(part) for part in reversible_parts(rows)[:SHOWN]],
        form=ReasonForm,
    )
    def reverse_part(self, chosen: Confirmed) -> None:
        parts = reversible_parts(chosen.rows)
        ledger.lock_accounts_of(part.account.user_id for part in parts if part.account.user_id)
        done = sum(try_reverse(part.transaction, chosen, account=part.account) for part in parts)
        skipped = len(chosen.keys) - sum(part.entry_count for part in parts)
        self.report(chosen.request, done=done, chosen=len(parts) + skipped, did=_("已冲正"), why_not=NOT_REVERSED)


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(ReadOnlyAdmin):
    list_display = ("posted_at", "kind", "idempotency_key", "day", "posted_by", "reason", "reversed_how")
    list_filter = ("kind", days("posted_at", _("入账时间")))
    search_fields = ("idempotency_key__exact",)
    search_help_text = _("完整的业务单号")
    ordering = ("-posted_at", "id")
    actions = ("reverse", *EXPORTS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerTransaction]:
        reversals = LedgerTransaction.objects.filter(reverses=OuterRef("pk"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                is_reversed=Exists(reversals.filter(reverses_account=None)),
                is_reversed_in_part=Exists(reversals.exclude(reverses_account=None)),
            )
        )

    @admin.display(description=_("已冲正"))
    def reversed_how(self, posted: LedgerTransaction) -> str:
        """Return the text for a full or partial reversal, or "" when there is none."""
        if getattr(posted, "is_reversed", False):
            return gettext("全部")
        return gettext("部分") if getattr(posted, "is_reversed_in_part", False) else ""

    def is_action_available(self, action: str, obj: Any) -> bool:
        is_open = obj is not None and obj.kind in ledger.REVERSIBLE and not self.reversed_how(obj)
        return super().is_action_available(action, obj) and is_open

    @confirmed(
        _("冲正"),
        permission="earnings.reverse_ledgertransaction",
        title=_("冲正流水"),
        question=_("将为所选流水各记一笔相反的流水，原流水保留。请写明原因。"),
        total=reversal_total,
        lines=reversal_lines,
        form=ReasonForm,
        did=_("已冲正"),
        why_not=NOT_REVERSED,
    )
    def reverse(self, chosen: Confirmed) -> int:
        entries = LedgerEntry.objects.filter(transaction__in=chosen.keys)
        ledger.lock_accounts_of(entries.values_list("account__user", flat=True))
        return sum(try_reverse(posted, chosen) for posted in chosen.rows)


@admin.register(LedgerCheck)
class LedgerCheckAdmin(ReadOnlyAdmin):
    list_display = ("checked_at", "__str__")
    fields = ("checked_at", "findings")
    ordering = ("-id",)


def _alarm() -> tuple[int, str]:
    """Return the number of findings of the last ledger check and a note. An overdue check counts as one finding."""
    last = ledger_check.last_check()
    if ledger_check.is_overdue(last, at=timezone.now()):
        return 1, gettext("账务检查超过 26 小时没有运行")
    if last is None:
        return 0, gettext("还没有检查过")
    return len(last.findings), gettext("检查于 %s") % f"{timezone.localtime(last.checked_at):%m-%d %H:%M}"


dashboard.register_task(
    _("账务不符"),
    page="earnings_ledgercheck",
    query="",
    permission="earnings.view_ledgercheck",
    count=_alarm,
    is_urgent=True,
)


dashboard.register_chart(
    _("收益入账（元）"),
    permission="earnings.view_ledgertransaction",
    page="earnings_ledgertransaction",
    moment="posted_at",
    lines=[
        (
            "income.credited",
            _("入账"),  # what left the rewards account
            dashboard.per_day(
                lambda: LedgerTransaction.objects.filter(entries__account__kind=Account.Kind.REWARDS),
                "posted_at",
                -Sum("entries__amount"),
            ),
        )
    ],
)
