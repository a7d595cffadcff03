"""Review of withdrawals through the API, under the rules of the admin, with a result for each withdrawal."""

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
    """A withdrawal that a review did not change, with the reason."""

    withdraw_id: UUID
    reason: str


@dataclass(frozen=True)
class Reviewed:
    """The result of a review. `first_approval_count` is the number that now wait for a second operator."""

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
    """Approve these withdrawals (large ones need a second approval), or reject them and return the money."""
    chosen = set(ids)
    with transaction.atomic():
        if approves:
            result = withdrawals.approve(chosen, by=by, at=at)
            done = {withdrawal.pk for withdrawal in (*result.paying, *result.first_approved)}
            skipped = _skipped(chosen - done, dependent=result.dependent)
            return Reviewed(len(result.paying), len(result.first_approved), 0, skipped)
        rejected = withdrawals.reject(chosen, by=by, reason=reason, at=at)
        return Reviewed(0, 0, len(rejected), _skipped(chosen - {withdrawal.pk for withdrawal in rejected}))


def _skipped(ids: set[UUID], *, dependent: Iterable[Withdrawal] = ()) -> list[Skipped]:
    known = Withdrawal.objects.in_bulk(ids)
    reasons = {
        row.pk: DEPENDENT_APPROVAL.format(row.first_approved_by, independence.NOT_INDEPENDENT) for row in dependent
    }
    return [Skipped(pk, reasons.get(pk) or _reason_for_skipping(known.get(pk))) for pk in sorted(ids)]


def _reason_for_skipping(withdrawal: Withdrawal | None) -> str:
    if withdrawal is None:
        return NOT_FOUND
    if withdrawal.status == Withdrawal.Status.TO_REVIEW:
        return OWN_APPROVAL
    return f"不在待审核状态（{withdrawal.get_status_display()}）"
