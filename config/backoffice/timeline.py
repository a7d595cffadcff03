"""The timeline of an object: what happened to it, from the tables of several apps.

An admin module registers a source for a model. A page of the timeline takes one query of each source, however many events
there are.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet

from config.backoffice.texts import Label

PAGE = 50
MOST_SKIPPED = 1_000


@dataclass(frozen=True)
class TimelineEvent:
    """An event with the person who caused it, if that was an operator."""

    at: datetime
    text: Label
    by: str = ""


@dataclass(frozen=True)
class Span:
    """The part of a timeline that a page shows: events until a moment, the newest first, at most `limit`."""

    until: datetime
    limit: int

    def rows(self, found: QuerySet[Any], moment: str) -> QuerySet[Any]:
        """Return the rows of this span by the moment in this column."""
        return found.filter(**{f"{moment}__lte": self.until}).order_by(f"-{moment}", "-pk")[: self.limit]

    def of(self, events: Iterable[TimelineEvent]) -> list[TimelineEvent]:
        """Return those of a few events that belong to this span."""
        return sorted((one for one in events if one.at <= self.until), key=_moment, reverse=True)[: self.limit]


Source = Callable[[Any, Span], Iterable[TimelineEvent]]
_sources: dict[str, list[tuple[str, Source]]] = defaultdict(list)


def register_timeline(model: str, *sources: Source, permission: str) -> None:
    """Register sources for a model (`accounts.user`), whose events are for operators with the permission.

    Each source returns its events of a span, the newest first.
    """
    _sources[model] += [(permission, source) for source in sources]


def _moment(event: TimelineEvent) -> datetime:
    return event.at


def timeline_page(row: Any, *, by: Any, until: datetime, skip: int = 0) -> tuple[list[TimelineEvent], str]:
    """Return a page of the events of a row for this operator, and the query string of the next page or "".

    `skip`: how many events of the moment `until` the page before has shown.
    """
    skip = min(max(skip, 0), MOST_SKIPPED)
    span = Span(until, skip + PAGE + 1)
    lists = [source(row, span) for permission, source in _sources[row._meta.label_lower] if by.has_perm(permission)]
    found = list(islice(merge(*lists, key=_moment, reverse=True), span.limit))[skip:]
    shown = found[:PAGE]
    if len(found) <= PAGE:
        return shown, ""
    last = shown[-1].at
    same = sum(one.at == last for one in shown) + (skip if last == until else 0)
    return shown, urlencode({"until": last.isoformat(), "skip": same})
