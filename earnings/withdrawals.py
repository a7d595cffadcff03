"""Withdrawals: requests of users, decisions of operators, and the end of the payout."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts import independence
from accounts.models import User
from config.errors import BadRequest, Code, Refusal
from config.platform.dates import day_of
from config.platform.prepared import prepared
from config.platform.wakeups import start_soon
from earnings import ledger
from earnings.ledger import Posting
from earnings.models import (
    Account,
    Bucket,
    EarningsRules,
    Payout,
    TransactionKind,
    Withdrawal,
    WithdrawalStatus,
    WithdrawalStep,
)

AMOUNTS = tuple(Decimal(yuan) for yuan in (1, 20, 50, 100, 200, 500))
FIRST_ONLY = Decimal(1)
MONTHLY_WITHOUT_IDENTITY = Decimal(800)
BY_WECHAT_PAY = "微信支付"
BY_USER = "用户"  # who takes the first step of every withdrawal
DEFAULT_REASON = "后台审核未通过"  # the old back-office client has no field for a reason
SEND_PAYOUTS = "earnings.tasks.send_payouts"
Status = Withdrawal.Status
UNPAID = (Status.TO_REVIEW, Status.PAYING)
OPEN_OR_PAID = (Status.TO_REVIEW, Status.PAYING, Status.PAID)


class AmountNotOffered(BadRequest):
    field = "balance"
    message = "只能提现 1、20、50、100、200、500 元，1 元仅限首次提现"


class WithdrawalBlocked(Refusal):
    code = Code.WITHDRAWAL_REFUSED
    message = "账号已被封，不能提现，请联系客服"


class PhoneMissing(Refusal):
    code = Code.PHONE_MISSING
    message = "请先绑定手机号，再提现"


class IdentityCardMissing(Refusal):
    code = Code.IDENTITY_CARD_MISSING
    message = "本月提现超过 800 元，请先补全身份证信息"


class BalanceTooSmall(Refusal):
    code = Code.BALANCE_TOO_SMALL
    message = "余额不足，请选择更小的金额"


class AlreadyAskedToday(Refusal):
    code = Code.ALREADY_WITHDREW_TODAY
    message = "今天已经申请过提现，请明天再来"


def has_withdrawn(user: User) -> bool:
    """Return whether the user has a withdrawal that is paid or still open."""
    return Withdrawal.objects.filter(user=user, status__in=OPEN_OR_PAID).exists()


def request_withdrawal(*, user: User, amount: Decimal, at: datetime) -> Withdrawal:
    """Create a withdrawal and reserve its amount.

    Refusals, in this order: 1403 amount, 3004 blocked, 2001 phone, 2002 identity card, 3002 balance, 3003 second today.
    """
    _check(user, amount, at)  # most refusals need no lock
    with transaction.atomic():
        user = lock_user(user)
        account = ledger.locked_account_of(user)
        _check(user, amount, at)
        withdrawal = _create(user, amount, at)
        postings = [Posting(account, -amount), Posting(account, amount, Bucket.WITHDRAWING)]
        ledger.post(
            kind=TransactionKind.WITHDRAWAL_ASKED,
            idempotency_key=f"withdrawal_asked:{withdrawal.pk}",
            day=day_of(at),
            at=at,
            postings=postings,
        )
        _record_step(withdrawal, None, Status.TO_REVIEW, by=BY_USER, reason="", at=at)
    return withdrawal


def _check(user: User, amount: Decimal, at: datetime) -> None:
    if amount not in AMOUNTS or (amount == FIRST_ONLY and has_withdrawn(user)):
        raise AmountNotOffered
    if user.is_blocked:
        raise WithdrawalBlocked
    if not user.phone:
        raise PhoneMissing
    today = day_of(at)
    rows = _standing.rows(user.pk, today.replace(day=1), today)
    available, asked_this_month, has_asked_today = rows[0] if rows else _WITHOUT_ACCOUNT
    if user.identity_given_at is None and asked_this_month + amount > MONTHLY_WITHOUT_IDENTITY:
        raise IdentityCardMissing
    if available < amount:
        raise BalanceTooSmall
    if has_asked_today:
        raise AlreadyAskedToday


_WITHOUT_ACCOUNT = (Decimal(0), Decimal(0), False)


@prepared
def _standing(user_id: UUID, first_of_month: date, today: date) -> QuerySet[Any, Any]:
    """Return the available amount, the amount requested this month, and whether something was requested today."""
    own = Withdrawal.objects.filter(user_id=user_id)
    this_month = own.filter(asked_day__gte=first_of_month, status__in=OPEN_OR_PAID).order_by().values("user")
    return Account.objects.filter(user_id=user_id).values_list(
        "available",
        Coalesce(Subquery(this_month.values(total=Sum("amount"))), Decimal(0)),
        Exists(own.filter(asked_day=today)),
    )


def _create(user: User, amount: Decimal, at: datetime) -> Withdrawal:
    try:
        with transaction.atomic():
            return Withdrawal.objects.create(
                user=user, amount=amount, asked_at=at, asked_day=day_of(at), **_receiver(user)
            )
    except IntegrityError as error:  # one_withdrawal_per_user_and_day
        raise AlreadyAskedToday from error


def _receiver(user: User) -> dict[str, str]:
    """Return the receiving WeChat account, which never changes after the request.

    A sign-in with another account between the request and the payout must not redirect the money.
    """
    if not user.open_id:
        return {"open_id": "", "app_id": ""}
    return {"open_id": user.open_id, "app_id": app_to_pay_in(user.app_id)}


def app_to_pay_in(app_id: str | None) -> str:
    """Return the app in which an open_id is paid: its own app, or the merchant's when that is not configured.

    An open_id is valid in its own app only.
    """
    return app_id if app_id is not None and app_id in settings.WECHAT_APPS else settings.WECHAT_PAY_APP_ID


@dataclass
class Approved:
    """The result of an approval. Withdrawals in none of the lists were not waiting for review."""

    paying: list[Withdrawal] = field(default_factory=list)  # approved; each has its payout
    first_approved: list[Withdrawal] = field(default_factory=list)  # large: waiting for a second operator
    own_first_approvals: list[Withdrawal] = field(
        default_factory=list
    )  # large: first approved by the same operator
    dependent: list[Withdrawal] = field(default_factory=list)  # large: first approver not independent of this one


def approve(ids: Iterable[UUID], *, by: str, at: datetime) -> Approved:
    """Approve the waiting withdrawals and create their payouts. Large ones need a second operator's approval.

    A withdrawal is large when the total that its user may be paid within 24 hours exceeds the limit.
    """
    ids, approved = list(ids), Approved()
    with transaction.atomic():
        large = _large_among(ids, at=at)
        waiting = [withdrawal for withdrawal in lock_withdrawals(ids) if withdrawal.status == Status.TO_REVIEW]
        first_approvers = {withdrawal.first_approved_by for withdrawal in waiting} - {"", by}
        dependent = independence.dependent_on(by, first_approvers, at=at)
        for withdrawal in waiting:
            if withdrawal.first_approved_by in dependent:
                approved.dependent.append(withdrawal)
            else:
                _approve(withdrawal, approved, is_large=withdrawal.pk in large, by=by, at=at)
        Payout.objects.bulk_create(Payout(withdrawal=w, created_at=at, next_attempt_at=at) for w in approved.paying)
        if approved.paying:
            start_soon(SEND_PAYOUTS)
    return approved


def _large_among(ids: Iterable[UUID], *, at: datetime) -> set[UUID]:
    """Return the ids of the withdrawals that need two operators.

    A concurrent approval of another withdrawal changes nothing: waiting and approved withdrawals both count.
    """
    limit = EarningsRules.current().second_approval_above
    if limit is None:
        return set()
    rows = Withdrawal.objects.filter(pk__in=ids).with_total(at=at).filter(Q(total__gt=limit))
    return set(rows.order_by().values_list("pk", flat=True))


def _approve(withdrawal: Withdrawal, approved: Approved, *, is_large: bool, by: str, at: datetime) -> None:
    if withdrawal.first_approved_by == by:
        approved.own_first_approvals.append(withdrawal)
    elif is_large and not withdrawal.first_approved_by:
        withdrawal.first_approved_at, withdrawal.first_approved_by = at, by
        withdrawal.save(update_fields=["first_approved_at", "first_approved_by"])
        _record_step(withdrawal, Status.TO_REVIEW, Status.TO_REVIEW, by=by, reason="初审通过", at=at)
        approved.first_approved.append(withdrawal)
    else:
        _change_status(withdrawal, Status.PAYING, by=by, reason="", at=at, reviewed_at=at, reviewed_by=by)
        approved.paying.append(withdrawal)


def reject(ids: Iterable[UUID], *, by: str, reason: str, at: datetime) -> list[Withdrawal]:
    """Reject the waiting withdrawals with a reason and return the money. Returns the rejected withdrawals."""
    with transaction.atomic():
        rejected = [w for w in lock_withdrawals(ids) if w.status == Status.TO_REVIEW]
        ledger.lock_accounts_of(w.user_id for w in rejected)
        for withdrawal in rejected:
            reject_locked(withdrawal, by=by, reason=reason, at=at)
    return rejected


def lock_unpaid_of(users: Sequence[User]) -> None:
    """Lock the unpaid withdrawals of several locked users, then their accounts, before rejecting them one by one."""
    ids = [user.pk for user in users]
    lock_withdrawals(Withdrawal.objects.filter(user__in=ids, status__in=UNPAID).values_list("pk", flat=True))
    ledger.lock_accounts_of(ids)


def reject_locked(withdrawal: Withdrawal, *, by: str, reason: str, at: datetime) -> None:
    """Reject a locked withdrawal and return the money to the available balance."""
    review = {"reviewed_at": at, "reviewed_by": by} if withdrawal.reviewed_at is None else {}
    _change_status(withdrawal, Status.REJECTED, by=by, reason=reason or DEFAULT_REASON, at=at, **review)
    _return_money(withdrawal, at)


def mark_paid(withdrawal: Withdrawal, *, at: datetime, by: str = BY_WECHAT_PAY) -> None:
    """Mark a locked withdrawal as paid and post that the money has left the platform."""
    _change_status(withdrawal, Status.PAID, by=by, reason="", at=at, paid_at=at)
    account = ledger.account_of(withdrawal.user)
    postings = [
        Posting(account, -withdrawal.amount, Bucket.WITHDRAWING),
        Posting(ledger.platform_account(Account.Kind.PAID_OUT), withdrawal.amount),
    ]
    key = f"withdrawal_paid:{withdrawal.pk}"
    ledger.post(kind=TransactionKind.WITHDRAWAL_PAID, idempotency_key=key, day=day_of(at), at=at, postings=postings)


def mark_failed(withdrawal: Withdrawal, *, reason: str, at: datetime, by: str = BY_WECHAT_PAY) -> None:
    """Mark a locked withdrawal as failed and return the money to the available balance."""
    _change_status(withdrawal, Status.FAILED, by=by, reason=reason or "打款失败", at=at, failed_at=at)
    _return_money(withdrawal, at)


def _return_money(withdrawal: Withdrawal, at: datetime) -> None:
    account = ledger.account_of(withdrawal.user)
    postings = [Posting(account, -withdrawal.amount, Bucket.WITHDRAWING), Posting(account, withdrawal.amount)]
    key = f"withdrawal_returned:{withdrawal.pk}"
    ledger.post(
        kind=TransactionKind.WITHDRAWAL_RETURNED, idempotency_key=key, day=day_of(at), at=at, postings=postings
    )


def lock_user(user: User) -> User:
    """Lock the user, so that requests and blocks are processed one at a time.

    The lock is `no_key`: a settlement that opens the user's account only refers to the user. With a full lock it would
    wait for this transaction, while this transaction may wait for that account.
    """
    [locked] = _locked_user.objects(user.pk)
    return cast(User, locked)


@prepared
def _locked_user(user_id: UUID) -> QuerySet[User]:
    return User.objects.select_for_update(no_key=True).filter(pk=user_id)


def lock_withdrawals(ids: Iterable[UUID]) -> list[Withdrawal]:
    """Lock these withdrawals, in the order of their primary keys."""
    rows = Withdrawal.objects.select_for_update(of=("self",)).select_related("user").filter(pk__in=list(ids))
    return list(rows.order_by("pk"))


def _change_status(
    withdrawal: Withdrawal, to: WithdrawalStatus, *, by: str, reason: str, at: datetime, **fields: object
) -> None:
    """Change the status of a locked withdrawal and record the step."""
    before = withdrawal.status
    withdrawal.status, withdrawal.reason = to, reason[:200]
    for name, value in fields.items():
        setattr(withdrawal, name, value)
    withdrawal.save(update_fields=["status", "reason", *fields])
    _record_step(withdrawal, before, to, by=by, reason=reason, at=at)


def _record_step(
    withdrawal: Withdrawal, before: int | None, to: WithdrawalStatus, *, by: str, reason: str, at: datetime
) -> None:
    WithdrawalStep.objects.create(
        withdrawal=withdrawal, from_status=before, to_status=to, taken_at=at, taken_by=by, reason=reason[:200]
    )
