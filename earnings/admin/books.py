"""Books that are read, not written: what is wrong in them is put right by a reversal."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from config.backoffice import home
from config.backoffice.confirm import ReasonForm, ask
from config.backoffice.facts import EXPORTS, FactsAdmin, may
from config.backoffice.filters import days, states
from config.clock import day_of
from earnings import ledger
from earnings.models import Account, LedgerCheck, LedgerEntry, LedgerTransaction, SlipType

UNCHECKED = timedelta(days=2)


@admin.register(Account)
class AccountAdmin(FactsAdmin):
    list_display = ("user", "phone", "kind", "available", "withdrawing", "earned", "opened_at")
    list_select_related = ("user",)
    list_filter = ("kind", days("opened_at", "开户时间"))
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = "手机号的任意几位、昵称的开头,或完整的网关编号"
    ordering = ("-opened_at", "id")
    reached_from = {"accounts.user": ("user", "账户")}

    @admin.display(description="手机号")
    def phone(self, account: Account) -> str:
        return (account.user and account.user.phone) or ""


@admin.register(LedgerEntry)
class LedgerEntryAdmin(FactsAdmin):
    """Sides of movements: of one account, or of one transaction."""

    list_display = ("day", "account", "bucket", "amount", "slip_type", "transaction")
    list_select_related = ("account__user", "transaction")
    list_filter = (
        states(
            "slip_type", "收益类型", {str(value): (label, Q(slip_type=value)) for value, label in SlipType.choices}
        ),
        "bucket",
    )
    search_fields = ("account__user__phone__contains", "account__user__code__exact")
    search_help_text = "手机号的任意几位,或完整的网关编号"
    ordering = ("-id",)
    reached_from = {
        "accounts.user": ("account__user", "账务"),
        "earnings.account": ("account", "分录"),
        "earnings.ledgertransaction": ("transaction", "分录"),
    }


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(FactsAdmin):
    list_display = ("posted_at", "kind", "cause", "day", "posted_by", "reason", "is_reversed")
    list_select_related = ("reversed_by",)
    list_filter = ("kind", days("posted_at", "入账时间"))
    search_fields = ("cause__exact",)
    search_help_text = "完整的起因"
    ordering = ("-posted_at", "id")
    actions = ("reverse", *EXPORTS)
    has_reverse_permission = may("earnings.reverse_ledgertransaction")

    @admin.display(description="已冲正", boolean=True)
    def is_reversed(self, posted: LedgerTransaction) -> bool:
        return hasattr(posted, "reversed_by")

    def offers(self, action: str, obj: Any) -> bool:
        return super().offers(action, obj) and not self.is_reversed(obj)

    @admin.action(description="冲正", permissions=["reverse"])
    def reverse(self, request: HttpRequest, queryset: QuerySet[LedgerTransaction]) -> Any:
        page, said = ask(
            self,
            request,
            queryset,
            action="reverse",
            title="冲正流水",
            question="将为所选流水各记一笔相反的流水,原流水保留。请写明原因。",
            form=ReasonForm,
        )
        if page is not None:
            return page
        now, by = timezone.now(), request.user.get_username()
        refused = 0
        for posted in queryset:
            try:
                ledger.reverse(posted, by=by, reason=said["reason"], at=now, day=day_of(now))
            except (ledger.NotReversible, ledger.BalanceWouldBeNegative):
                refused += 1
        chosen = queryset.count()
        self.report(
            request,
            done=chosen - refused,
            chosen=chosen,
            did="已冲正",
            why_not="已经冲正过、不可冲正,或余额会变负",
        )
        return None


@admin.register(LedgerCheck)
class LedgerCheckAdmin(FactsAdmin):
    list_display = ("checked_at", "__str__")
    fields = ("checked_at", "findings")
    ordering = ("-id",)


def _alarm() -> tuple[int, str]:
    """Findings of the last check; a check that did not run for two days is one too."""
    last = ledger.last_check()
    if last is None:
        return 0, _("还没有检查过")
    if timezone.now() - last.checked_at > UNCHECKED:
        return 1, _("账务检查已超过两天没有运行")
    return len(last.findings), _("检查于 %s") % f"{timezone.localtime(last.checked_at):%m-%d %H:%M}"


home.to_do(
    "账务不符",
    page="earnings_ledgercheck",
    query="",
    permission="earnings.view_ledgercheck",
    count=_alarm,
    is_urgent=True,
)


home.plot(
    "收益入账(元)",
    permission="earnings.view_ledgertransaction",
    lines=[
        (
            "income.credited",
            "入账",  # what left the rewards account
            home.per_day(
                lambda: LedgerTransaction.objects.filter(entries__account__kind=Account.Kind.REWARDS),
                "posted_at",
                -Sum("entries__amount"),
            ),
        )
    ],
)
