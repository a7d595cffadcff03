"""The operators' first page: what needs a hand now, and how the last 30 days went.

Each app's admin says what it contributes (`to_do`, `plot`); here it is counted, cached and drawn. Counts stop at
`COUNTED`, and a day that is well over is kept as it was counted, so the page costs the same however old the tables are.
The kept days are counted anew each night: rows of the past come in late when old groups are imported.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.cache import cache
from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from config.backoffice.changelist import COUNTED
from config.backoffice.charts import Chart, Line
from config.models import DayFigure
from config.platform.dates import day_of, end_of, start_of

DAYS = 30
FRESH_SECONDS = 30  # how old today's numbers may be
LATE_DAYS = 3  # days that are over and may still change: events come late, parked messages are sent after all
LATE_SECONDS = 600
Figure = Callable[[date, date], dict[date, Any]]  # first day, last day → value of each day that has one


@dataclass(frozen=True)
class Task:
    """Something that waits for an operator. `count` answers (how many, a remark)."""

    title: str
    page: str  # "earnings_withdrawal": its list
    query: str
    permission: str
    count: Callable[[], tuple[int, str]]
    is_urgent: bool = False


@dataclass(frozen=True)
class _RegisteredChart:
    """One chart: lines of a figure per day, each with a name that stays (`users.new`)."""

    title: str
    permission: str
    lines: Sequence[tuple[str, str, Figure]]  # (name, label, figure of a day)


_to_dos: list[Task] = []
_plots: list[_RegisteredChart] = []


def register_task(
    title: str,
    *,
    page: str,
    query: str,
    permission: str,
    count: Callable[[], tuple[int, str]],
    is_urgent: bool = False,
) -> None:
    _to_dos.append(Task(title, page, query, permission, count, is_urgent))


def register_chart(title: str, *, permission: str, lines: Sequence[tuple[str, str, Figure]]) -> None:
    _plots.append(_RegisteredChart(title, permission, lines))


def counted(queryset: Callable[[], QuerySet[Any]]) -> Callable[[], tuple[int, str]]:
    """Just how many there are, up to `COUNTED`."""
    return lambda: (queryset()[: COUNTED + 1].count(), "")


def per_day(rows: Callable[[], QuerySet[Any]], moment: str, value: Any = Count("pk")) -> Figure:  # noqa: B008
    """How many of these rows (or another aggregate) have their `moment` on each day."""

    def figure(first: date, last: date) -> dict[date, Any]:
        within = rows().filter(**{f"{moment}__gte": start_of(first), f"{moment}__lt": end_of(last)})
        by_day = within.order_by().annotate(on_day=TruncDate(moment)).values("on_day").annotate(figure=value)
        return dict(by_day.values_list("on_day", "figure"))

    return figure


def contents(request: HttpRequest) -> dict[str, Any]:
    """What this operator's first page shows."""
    to_dos = [_shown(one) for one in _to_dos if request.user.has_perm(one.permission)]
    return {
        "to_dos": sorted(to_dos, key=lambda one: (not one["is_urgent"], not one["is_waiting"])),
        "charts": [_drawn(one) for one in _plots if request.user.has_perm(one.permission)],
    }


def _shown(one: Task) -> dict[str, Any]:
    name = f"to-do:{get_language()}:{one.page}:{one.title}"  # the remark is in the operator's language
    number, remark = cache.get_or_set(name, one.count, FRESH_SECONDS) or (0, "")
    return {
        "title": _(one.title),
        "number": f"{COUNTED}+" if number > COUNTED else number,
        "remark": remark,
        "is_urgent": bool(number) and one.is_urgent,
        "is_waiting": bool(number),
        "address": f"{reverse(f'admin:{one.page}_changelist')}?{one.query}",
    }


def _drawn(one: _RegisteredChart) -> Chart:
    today = day_of(timezone.now())
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    return Chart(
        _(one.title), days, [Line(_(label), _values(name, figure, days)) for name, label, figure in one.lines]
    )


def _values(name: str, figure: Figure, days: Sequence[date]) -> list[Decimal]:
    *over, today = days
    closed, late = over[:-LATE_DAYS], over[-LATE_DAYS:]
    known = dict(DayFigure.objects.filter(name=name, day__in=closed).values_list("day", "value"))
    missing = [day for day in closed if day not in known]
    if missing:
        found = figure(missing[0], missing[-1])
        known.update({day: Decimal(found.get(day) or 0) for day in missing})
        rows = [DayFigure(name=name, day=day, value=known[day]) for day in missing]
        DayFigure.objects.bulk_create(rows, ignore_conflicts=True)
    now = cache.get_or_set(f"figure:{name}:{today}", lambda: figure(today, today).get(today) or 0, FRESH_SECONDS)
    lately = cache.get_or_set(f"figures:{name}:{today}", lambda: figure(late[0], late[-1]), LATE_SECONDS) or {}
    return [*(known[day] for day in closed), *(Decimal(lately.get(day) or 0) for day in late), Decimal(now or 0)]


def recompute(*, at: datetime) -> int:
    """Count the kept days of all charts anew. Returns how many figures were wrong or missing."""
    today = day_of(at)
    days = [today - timedelta(days=back) for back in range(DAYS - 1, LATE_DAYS, -1)]
    return sum(_recount(name, figure, days) for one in _plots for name, _label, figure in one.lines)


def _recount(name: str, figure: Figure, days: Sequence[date]) -> int:
    found = figure(days[0], days[-1])
    kept = dict(DayFigure.objects.filter(name=name, day__in=days).values_list("day", "value"))
    rows = [DayFigure(name=name, day=day, value=Decimal(found.get(day) or 0)) for day in days]
    wrong = [row for row in rows if kept.get(row.day) != row.value]
    DayFigure.objects.bulk_create(
        wrong, update_conflicts=True, unique_fields=["name", "day"], update_fields=["value"]
    )
    return len(wrong)
