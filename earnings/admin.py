"""Money for operators: reviewing withdrawals, and books that are read, not written."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.urls import path
from django.utils import timezone

from config.backoffice.confirm import ReasonForm, ask
from config.backoffice.facts import FactsAdmin, FactsInline, ListAdmin
from config.clock import day_of
from earnings import ledger, withdrawals
from earnings.models import (
    Account,
    ArticleReadDay,
    EarningsRules,
    LedgerCheck,
    LedgerEntry,
    LedgerTransaction,
    Payout,
    PayoutPause,
    SettlementDay,
    Withdrawal,
    WithdrawalStep,
)
from earnings.plan_page import try_plan

NOT_TO_REVIEW = "不在待审核状态"


class StepInline(FactsInline):
    model = WithdrawalStep
    fields = ("taken_at", "taken_by", "from_status", "to_status", "reason")
    readonly_fields = fields


class PayoutInline(FactsInline):
    model = Payout
    fields = ("state", "provider_state", "try_count", "sent_at", "due_at", "ended_at", "note")
    readonly_fields = fields


@admin.register(Withdrawal)
class WithdrawalAdmin(FactsAdmin):
    """To be reviewed one by one or many at once; every decision is asked for twice and kept."""

    list_display = (
        "asked_at",
        "user",
        "phone",
        "amount",
        "status",
        "reason",
        "first_approved_by",
        "reviewed_by",
        "reviewed_at",
        "paid_at",
    )
    list_select_related = ("user",)
    list_filter = ("status", "amount", "asked_at", "paid_at")
    search_fields = ("user__phone", "user__nickname", "=user__code")
    search_help_text = "手机号、昵称、网关编号"
    ordering = ("-asked_at", "id")
    inlines = (StepInline, PayoutInline)
    actions = ("approve", "reject", "export")

    @admin.display(description="手机号")
    def phone(self, withdrawal: Withdrawal) -> str:
        return withdrawal.user.phone or ""

    def has_review_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("earnings.review_withdrawal"))

    @admin.action(description="通过并打款", permissions=["review"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Withdrawal]) -> Any:
        total = queryset.filter(status=Withdrawal.Status.TO_REVIEW).aggregate(total=Sum("amount"))["total"] or 0
        page, _ = ask(
            self,
            request,
            queryset.select_related("user"),
            action="approve",
            title="通过提现",
            question=f"将通过其中待审核的提现,共 {total} 元,随后由微信支付打款。",
        )
        if page is not None:
            return page
        chosen = list(queryset.values_list("pk", flat=True))
        approved = withdrawals.approve(chosen, by=request.user.get_username(), at=timezone.now())
        self.report(request, done=len(approved.half), chosen=0, did="已初审,待另一名运营人员通过", why_not="")
        if approved.own:
            message = f"{len(approved.own)} 条由你初审过,要另一名运营人员通过。"
            self.message_user(request, message, messages.WARNING)
        chosen_else = len(chosen) - len(approved.half) - len(approved.own)
        self.report(request, done=len(approved.paying), chosen=chosen_else, did="已通过", why_not=NOT_TO_REVIEW)
        return None

    @admin.action(description="拒绝并退回余额", permissions=["review"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Withdrawal]) -> Any:
        page, said = ask(
            self,
            request,
            queryset.select_related("user"),
            action="reject",
            title="拒绝提现",
            question="将拒绝其中待审核的提现,金额退回用户余额。请写明原因,用户会看到。",
            form=ReasonForm,
        )
        if page is not None:
            return page
        chosen = list(queryset.values_list("pk", flat=True))
        by = request.user.get_username()
        done = withdrawals.reject(chosen, by=by, reason=said["reason"], at=timezone.now())
        self.report(request, done=len(done), chosen=len(chosen), did="已拒绝", why_not=NOT_TO_REVIEW)
        return None


@admin.register(Account)
class AccountAdmin(FactsAdmin):
    list_display = ("user", "kind", "available", "withdrawing", "earned", "opened_at")
    list_select_related = ("user",)
    list_filter = ("kind",)
    search_fields = ("user__phone", "user__nickname", "=user__code")


class EntryInline(FactsInline):
    model = LedgerEntry
    fields = ("account", "bucket", "amount", "slip_type")
    readonly_fields = fields
    max_num = 200

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("account__user").order_by("pk")


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(FactsAdmin):
    """The books. What is wrong in them is put right by a reversal, never by a change."""

    list_display = ("posted_at", "kind", "cause", "day", "posted_by", "reason", "is_reversed")
    list_select_related = ("reversed_by",)
    list_filter = ("kind", "posted_at")
    search_fields = ("cause",)
    ordering = ("-posted_at", "id")
    inlines = (EntryInline,)
    actions = ("reverse", "export")

    @admin.display(description="已冲正", boolean=True)
    def is_reversed(self, posted: LedgerTransaction) -> bool:
        return hasattr(posted, "reversed_by")

    def has_reverse_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("earnings.reverse_ledgertransaction"))

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


@admin.register(PayoutPause)
class PayoutPauseAdmin(FactsAdmin):
    list_display = ("paused_at", "paused_by", "reason", "retry_at", "resumed_at", "resumed_by")


@admin.register(SettlementDay)
class SettlementDayAdmin(FactsAdmin):
    list_display = ("day", "settled_at", "group_count", "owner_total", "referral_total", "bonus_total")
    list_filter = ("day",)

    def get_urls(self) -> list[Any]:
        """`plan/`: what a change of the plans would pay."""
        page = path("plan/", self.admin_site.admin_view(try_plan), name="earnings_try_plan")
        return [page, *super().get_urls()]


@admin.register(ArticleReadDay)
class ArticleReadDayAdmin(FactsAdmin):
    list_display = ("day", "settled_at", "settled_by", "group_count", "owner_total", "referral_total")
    list_filter = ("day",)


@admin.register(EarningsRules)
class EarningsRulesAdmin(ListAdmin):
    """One row, changed in place."""

    list_display = (
        "__str__",
        "red_packet_min",
        "red_packet_max",
        "adoption_fee",
        "inviter_share",
        "grand_inviter_share",
    )
    actions = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
