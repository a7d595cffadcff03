"""Read-only admin pages of the ledger. Operators correct a wrong transaction by a reversal."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.labels import person_link
from accounts.models import User
from config.backoffice import dashboard
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, PreparedPage, ReadOnlyAdmin
from config.backoffice.changelist import search_filter, search_terms
from config.backoffice.filters import among, amounts, days, states
from config.backoffice.readable import money_column, raw, with_thousands
from config.platform.dates import shanghai_time
from earnings import ledger
from earnings.admin.ledger_pages import balances_after, transaction_amounts, transaction_figures
from earnings.admin.reversals import (
    NOT_REVERSED,
    part_total,
    reversal_lines,
    reversal_total,
    reversible_parts,
    try_reverse,
)
from earnings.models import Account, Bucket, IncomeType, LedgerEntry, LedgerTransaction

_PEOPLE = ("phone__contains", "nickname__startswith", "code__exact")
_NEWEST = 200_000  # entries, among which an amount without a person is searched
_NARROWING = {"q", "account", "account__user", "transaction"}  # parameters that leave the entries of a few people
_MOST_PEOPLE = 50  # whose transactions one search finds …
_MOST_ENTRIES = 2_000  # … in how many of their newest entries


def _person(user: User | None) -> str:
    """Return the nickname and masked phone with a link to the user's page."""
    return person_link(user) if user else "-"


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    export_permission = "earnings.export_money"
    list_display = (
        "user",
        "phone",
        "kind",
        money_column("available", _("可提现（元）")),
        money_column("withdrawing", _("提现中（元）")),
        money_column("earned", _("累计收益（元）")),
        "opened_at",
    )
    list_select_related = ("user",)
    list_filter = ("kind", days("opened_at", _("开户时间")))
    search_fields = tuple(f"user__{lookup}" for lookup in _PEOPLE)
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号")
    ordering = ("-opened_at", "id")
    reached_from = {"accounts.user": ("user", _("账户"))}

    @admin.display(description=_("手机号"))
    def phone(self, account: Account) -> str:
        return (account.user and account.user.phone) or ""


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    """Ledger entries as a statement: moment, person, kind, amount, balance after it."""

    export_permission = "earnings.export_money"
    list_display = (
        "posted_at",
        "day",
        "person",
        "kind",
        money_column("amount", _("金额（元）"), sign="+"),
        "bucket_name",
        money_column("balance_after", _("之后余额（元）")),
        "reason",
    )
    list_select_related = ("account__user", "transaction")
    list_filter = (
        days("day", _("记账日"), of_moments=False),
        amounts("amount", _("金额（元，没有选人时只查最近 20 万条）")),
        states(
            "income_type",
            _("收益类型"),
            {str(value): (label, Q(income_type=value)) for value, label in IncomeType.choices},
        ),
        among("bucket", _("余额种类"), Bucket.choices),
    )
    search_fields = (*(f"account__user__{lookup}" for lookup in _PEOPLE), "transaction__idempotency_key__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号、业务单号")
    ordering = ("-id",)
    reached_from = {
        "accounts.user": ("account__user", _("账务")),
        "earnings.account": ("account", _("分录")),
        "earnings.ledgertransaction": ("transaction", _("分录")),
    }
    fields = (
        ("posted_at", "day"),
        ("person", "account"),
        ("kind", "income_type"),
        ("signed_amount", "bucket"),
        "transaction",
        "reason",
    )
    readonly_fields = ("posted_at", "person", "kind", "signed_amount", "reason")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if not request.GET.keys() & {"amount_from", "amount_to"} or request.GET.keys() & _NARROWING:
            return rows
        newest = LedgerEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        return rows.filter(pk__gt=newest - _NEWEST)

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        balances = balances_after(rows)
        for row in rows:
            row.balance_after = balances.get(row.pk)

    @admin.display(description=_("入账时间"))
    def posted_at(self, entry: LedgerEntry) -> str:
        return shanghai_time(entry.transaction.posted_at)

    @admin.display(description=_("账户"))
    def person(self, entry: LedgerEntry) -> str:
        return _person(entry.account.user) if entry.account.user else entry.account.get_kind_display()

    @admin.display(description=_("类型"))
    def kind(self, entry: LedgerEntry) -> str:
        """Return the kind of the transaction, with the type of income where it adds something."""
        income = entry.get_income_type_display() if entry.income_type is not None else ""
        posted = entry.transaction.get_kind_display()
        return f"{posted}（{income}）" if income and income != posted else str(posted)

    @admin.display(description=_("余额种类"))
    def bucket_name(self, entry: LedgerEntry) -> str:
        return entry.get_bucket_display() if entry.account.user_id else "-"

    @admin.display(description=_("金额（元）"))
    def signed_amount(self, entry: LedgerEntry) -> str:
        return f"{entry.amount:+,.2f}"

    @admin.display(description=_("原因"))
    def reason(self, entry: LedgerEntry) -> str:
        return entry.transaction.reason

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
class LedgerTransactionAdmin(PreparedPage, ReadOnlyAdmin):
    export_permission = "earnings.export_money"
    list_display = (
        "posted_at",
        "kind",
        "people",
        money_column("amount", _("金额（元）")),
        "day",
        "posted_by",
        "reason",
        "reversed_how",
    )
    list_filter = ("kind", days("posted_at", _("入账时间")), transaction_amounts(_("金额（元）")))
    search_fields = ("idempotency_key__exact",)
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号、业务单号")
    ordering = ("-posted_at", "id")
    fields = (
        ("kind", "amount_shown", "people"),
        ("posted_at", "day", "posted_by"),
        "reason",
        ("reversed_how", "reverses", "reverses_account"),
        "business_number",
    )
    readonly_fields = ("amount_shown", "people", "reversed_how", "business_number")
    actions = ("reverse", *EXPORTS)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find transactions by their key, and those of the people that match."""
        for term in search_terms(search_term):
            matching, _too_many = search_filter(User, _PEOPLE, term)
            people = list(User.objects.filter(matching).values_list("pk", flat=True)[: _MOST_PEOPLE + 1])
            if len(people) > _MOST_PEOPLE:
                text = gettext("“%(word)s”匹配的人太多，只查了其中 %(count)s 个，请输入更完整的内容。")
                messages.warning(request, text % {"word": term, "count": _MOST_PEOPLE})
            # The keys first: one condition with both an OR and a subquery would read the whole table.
            accounts = list(Account.objects.filter(user__in=people[:_MOST_PEOPLE]).values_list("pk", flat=True))
            entries = LedgerEntry.objects.filter(account__in=accounts).order_by("-pk")
            keys = set(entries.values_list("transaction", flat=True)[:_MOST_ENTRIES])
            keys |= set(LedgerTransaction.objects.filter(idempotency_key=term).values_list("pk", flat=True))
            queryset = queryset.filter(pk__in=keys)
        return queryset, False

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        figures = transaction_figures(rows)
        first = {figure.first_person for figure in figures.values()}
        people = User.objects.in_bulk([key for key in first if key])
        for row in rows:
            row.figures = figures[row.pk]
            row.amount, row.first_person = row.figures.amount, people.get(row.figures.first_person)

    @admin.display(description=_("金额（元）"))
    def amount_shown(self, posted: Any) -> str:
        return with_thousands(posted.amount)

    @admin.display(description=_("业务单号"))
    def business_number(self, posted: LedgerTransaction) -> SafeString:
        return raw(posted.idempotency_key)

    @admin.display(description=_("人"))
    def people(self, posted: Any) -> str:
        """Return the first person, with the number of people where there are several."""
        first, count = _person(posted.first_person), posted.figures.people_count
        if count < 2:
            return first
        text = (
            gettext("%(first)s 等 %(count)s 人以上")
            if posted.figures.has_more_people
            else gettext("%(first)s 等 %(count)s 人")
        )
        return format_html(
            text.replace("%(first)s", "{first}").replace("%(count)s", "{count}"), first=first, count=count
        )

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
