"""The low-star clean-up: so many groups of a low star are served and no more; off unless totals are set."""

from collections.abc import Mapping
from datetime import datetime

from groups import cancel_jobs
from groups.models import CancelReason, Group

BY = "低星清理"


def clean_up(*, totals: Mapping[int, int], at: datetime) -> int:
    """Have the groups beyond each star's total cancelled, those that earned longest first; how many."""
    count = 0
    for star, total in sorted(totals.items()):
        kept_first = Group.objects.active().filter(star=star).order_by("settle_count", "-bound_at", "pk")
        beyond = [str(pk) for pk in kept_first.values_list("pk", flat=True)[total:]]
        if beyond:
            cancel_jobs.request_cancelling(references=beyond, reason=CancelReason.TOO_MANY_LOW_STARS, by=BY, at=at)
        count += len(beyond)
    return count
