"""The number of visits of the client per day."""

from datetime import date, datetime

from django.db.models import F

from config.models import PageVisit
from config.platform.counters import Counter
from config.platform.dates import day_of

VISITS = Counter("page-visits")


def count_visit(*, at: datetime) -> None:
    VISITS.add(day_of(at).isoformat())


def flush() -> int:
    """Store the counted visits. Returns their number."""
    total = 0
    for day, number in VISITS.take():
        row, _ = PageVisit.objects.get_or_create(day=date.fromisoformat(day))
        PageVisit.objects.filter(pk=row.pk).update(visit_count=F("visit_count") + number)
        total += number
    return total
