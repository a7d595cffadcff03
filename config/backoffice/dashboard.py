"""The dashboard of the admin: tasks that wait for an operator, and charts of the last 30 days.

Each app's admin registers its tasks and charts (`register_task`, `register_chart`); this module counts, caches and
renders them. Counts stop at a limit, and the values of past days are stored, so the cost of the page does not grow
with the tables. Stored days are recomputed each night, because an import of old groups adds rows to past days.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import get_language

from config.backoffice.changelist import capped_count, capped_text
from config.backoffice.charts import Chart, Line
from config.backoffice.texts import Label
from config.models import DayFigure
from config.platform.dates import day_of, end_of, start_of
from config.platform.languages import in_product_language

DAYS = 30
FRESH_SECONDS = 30  # the cache time of today's values
LATE_DAYS = 3  # past days that may still change: events arrive late, failed messages are sent after all
LATE_SECONDS = 600
_VERSION = "dashboard:version"
Metric = Callable[[date, date], dict[date, Any]]  # first day, last day → the values of days that have one


@dataclass(frozen=True)
class Button:
    """A button on a card, which opens the page of a button above the card's list."""

    label: Label
    name: str
    permission: str


@dataclass(frozen=True)
class Task:
    """A kind of work that waits for an operator. `count` returns (number, remark)."""

    title: Label
    page: str  # of the list, such as "earnings_withdrawal", or "queues"
    query: str
    permission: str
    count: Callable[[], tuple[int, str]]
    is_urgent: bool = False
    button: Button | None = None


@dataclass(frozen=True)
class _RegisteredChart:
    """A chart: lines of one metric each, stored under a permanent name (`users.new`)."""

    title: Label
    permission: str
    lines: Sequence[tuple[str, Label, Metric]]  # (name, label, metric)
    page: str  # of the list that the chart counts, such as "groups_group"
    moment: str  # the field by which that list has a filter by days


_tasks: list[Task] = []
_charts: list[_RegisteredChart] = []


def register_task(
    title: Label,
    *,
    page: str,
    query: str,
    permission: str,
    count: Callable[[], tuple[int, str]],
    is_urgent: bool = False,
    button: Button | None = None,
) -> None:
    _tasks.append(Task(title, page, query, permission, count, is_urgent, button))


def register_chart(
    title: Label, *, permission: str, lines: Sequence[tuple[str, Label, Metric]], page: str, moment: str
) -> None:
    _charts.append(_RegisteredChart(title, permission, lines, page, moment))


def counted(queryset: Callable[[], QuerySet[Any]]) -> Callable[[], tuple[int, str]]:
    """Return a `count` for a Task: the number of rows as `capped_count`, without a remark."""
    return lambda: (capped_count(queryset()), "")


def per_day(rows: Callable[[], QuerySet[Any]], moment: str, value: Any = Count("pk")) -> Metric:  # noqa: B008
    """Return a metric: the number of rows (or another aggregate) whose `moment` is on each day."""

    def metric(first: date, last: date) -> dict[date, Any]:
        within = rows().filter(**{f"{moment}__gte": start_of(first), f"{moment}__lt": end_of(last)})
        by_day = within.order_by().annotate(on_day=TruncDate(moment)).values("on_day").annotate(result=value)
        return dict(by_day.values_list("on_day", "result"))

    return metric


def contents(request: HttpRequest) -> dict[str, Any]:
    """Return the template context of the dashboard for this operator."""
    tasks = [_task_card(task) for task in _tasks if request.user.has_perm(task.permission)]
    for card in tasks:
        if card["button"] and not request.user.has_perm(card["button"].permission):
            card["button"] = None
    return {
        "tasks": sorted(tasks, key=lambda card: (not card["is_urgent"], not card["is_waiting"])),
        "charts": [_chart(chart) for chart in _charts if request.user.has_perm(chart.permission)],
    }


def _task_card(task: Task) -> dict[str, Any]:
    number, remark = fresh(f"task:{task.page}:{in_product_language(task.title)}", task.count) or (0, "")
    address = reverse(f"admin:{task.page}" if task.page == "queues" else f"admin:{task.page}_changelist")
    return {
        "title": task.title,
        "number": capped_text(number),
        "remark": remark,
        "is_urgent": bool(number) and task.is_urgent,
        "is_waiting": bool(number),
        "address": f"{address}?{task.query}".rstrip("?"),
        "button": task.button,
        "button_address": task.button and f"{address}do/{task.button.name}/",
    }


@dataclass(frozen=True)
class UrgentTask:
    """An urgent task that waits, in the product's language. `number` is a text: "10000+" for more."""

    key: str
    title: str
    number: str
    remark: str


def urgent_tasks() -> list[UrgentTask]:
    """Return the urgent tasks that wait now, whoever may see them."""
    with translation.override(settings.LANGUAGE_CODE):
        cards = [(task, _task_card(task)) for task in _tasks if task.is_urgent]
        return [
            UrgentTask(f"{task.page}?{task.query}", str(task.title), card["number"], card["remark"])
            for task, card in cards
            if card["is_waiting"]
        ]


def fresh(name: str, compute: Callable[[], Any]) -> Any:
    """Return a value that is cached for half a minute, in the operator's language, and not beyond an operator's act."""
    version = cache.get_or_set(_VERSION, 1, None)
    return cache.get_or_set(f"{name}:{get_language()}:{version}", compute, FRESH_SECONDS)


def forget_cached() -> None:
    """Have the next pages count anew: an operator has acted, and expects to see it."""
    cache.set(_VERSION, uuid4().hex, None)


def _chart(chart: _RegisteredChart) -> Chart:
    today = day_of(timezone.now())
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    lines = [Line(label, _values(name, metric, days)) for name, label, metric in chart.lines]
    address = reverse(f"admin:{chart.page}_changelist")
    return Chart(
        chart.title, days, lines, lambda day: f"{address}?{chart.moment}_from={day}&{chart.moment}_to={day}"
    )


def _values(name: str, metric: Metric, days: Sequence[date]) -> list[Decimal]:
    *over, today = days
    closed, late = over[:-LATE_DAYS], over[-LATE_DAYS:]
    known = dict(DayFigure.objects.filter(name=name, day__in=closed).values_list("day", "value"))
    missing = [day for day in closed if day not in known]
    if missing:
        found = metric(missing[0], missing[-1])
        known.update({day: Decimal(found.get(day) or 0) for day in missing})
        rows = [DayFigure(name=name, day=day, value=known[day]) for day in missing]
        DayFigure.objects.bulk_create(rows, ignore_conflicts=True)
    now = cache.get_or_set(f"figure:{name}:{today}", lambda: metric(today, today).get(today) or 0, FRESH_SECONDS)
    lately = cache.get_or_set(f"figures:{name}:{today}", lambda: metric(late[0], late[-1]), LATE_SECONDS) or {}
    return [*(known[day] for day in closed), *(Decimal(lately.get(day) or 0) for day in late), Decimal(now or 0)]


def recompute(*, at: datetime) -> int:
    """Recompute the stored days of all charts. Returns the number of values that were wrong or missing."""
    today = day_of(at)
    days = [today - timedelta(days=back) for back in range(DAYS - 1, LATE_DAYS, -1)]
    return sum(_recompute_metric(name, metric, days) for chart in _charts for name, _label, metric in chart.lines)


def _recompute_metric(name: str, metric: Metric, days: Sequence[date]) -> int:
    found = metric(days[0], days[-1])
    kept = dict(DayFigure.objects.filter(name=name, day__in=days).values_list("day", "value"))
    rows = [DayFigure(name=name, day=day, value=Decimal(found.get(day) or 0)) for day in days]
    wrong = [row for row in rows if kept.get(row.day) != row.value]
    DayFigure.objects.bulk_create(
        wrong, update_conflicts=True, unique_fields=["name", "day"], update_fields=["value"]
    )
    return len(wrong)
