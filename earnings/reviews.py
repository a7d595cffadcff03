"""Reviewing withdrawals from outside the admin: many at once, under its rules, with an account of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import independence
from earnings import withdrawals
from earnings.models import Withdrawal

NOT_FOUND = "没有这笔提现"
DEPENDENT_APPROVAL = "由 {} 初审：{}"
OWN_APPROVAL = "已由你初审，需另一名运营人员通过"


@dataclass(frozen=True)
class Skipped:
    """A withdrawal that a review left as it was, and why."""

    withdraw_id: UUID
    reason: str


@dataclass(frozen=True)
class Reviewed:
    """What a review did. `first_approval_count`: large ones that wait for a second operator now."""

    approved_count: int
    first_approval_count: int
    rejected_count: int
    skipped: list[Skipped]

    @property
    def decided_count(self) -> int:
        return self.approved_count + self.first_approval_count + self.rejected_count

    def __str__(self) -> str:
        counts = {
            "已通过 {} 笔": self.approved_count,
            "已初审 {} 笔，需另一名运营人员通过": self.first_approval_count,
            "已拒绝 {} 笔": self.rejected_count,
            "跳过 {} 笔": len(self.skipped),
        }
        return "；".join(sentence.format(count) for sentence, count in counts.items() if count)


def review(ids: Iterable[UUID], *, approves: bool, reason: str, by: str, at: datetime) -> Reviewed:
    """Approve these withdrawals, large ones once a second actor approves; or reject them and give the money back."""
    chosen = set(ids)
    with transaction.atomic():
        if approves:
            result = withdrawals.approve(chosen, by=by, at=at)
            done = {withdrawal.pk for withdrawal in (*result.paying, *result.half)}
            return Reviewed(len(result.paying), len(result.half), 0, _skipped(chosen - done, bound=result.bound))
        rejected = withdrawals.reject(chosen, by=by, reason=reason, at=at)
        return Reviewed(0, 0, len(rejected), _skipped(chosen - {withdrawal.pk for withdrawal in rejected}))


def _skipped(ids: set[UUID], *, bound: Iterable[Withdrawal] = ()) -> list[Skipped]:
    known = Withdrawal.objects.in_bulk(ids)
    why = {one.pk: DEPENDENT_APPROVAL.format(one.first_approved_by, independence.NOT_INDEPENDENT) for one in bound}
    return [Skipped(pk, why.get(pk) or _why_skipped(known.get(pk))) for pk in sorted(ids)]


def _why_skipped(withdrawal: Withdrawal | None) -> str:
    if withdrawal is None:
        return NOT_FOUND
    if withdrawal.status == Withdrawal.Status.TO_REVIEW:
        return OWN_APPROVAL
    return f"不在待审核状态（{withdrawal.get_status_display()}）"
