"""The low-star clean-up, which cancels groups beyond a total per star; off unless totals are set."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models.functions import Coalesce

from groups import cancel_jobs
from groups.models import CancelReason, Group

BY = "低星清理"


def clean_up(*, totals: Mapping[int, int], at: datetime) -> int:
    """Request the cancelling of groups beyond each star's total, the longest-earning first. Returns how many."""
    count = 0
    for star, total in sorted(totals.items()):
        shortest_earning_first = (
            Group.objects.active()
            .filter(star=star)
            .order_by(Coalesce("paid_days__day_count", 0), "-bound_at", "pk")
        )
        beyond = [str(pk) for pk in shortest_earning_first.values_list("pk", flat=True)[total:]]
        if beyond:
            cancel_jobs.request_cancelling(references=beyond, reason=CancelReason.TOO_MANY_LOW_STARS, by=BY, at=at)
        count += len(beyond)
    return count
