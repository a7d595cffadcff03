"""Filters for large lists: a range, an exact text, a few named values. None of them queries the table for its choices."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.admin import ListFilter, SimpleListFilter
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.api.fields import yuan_from
from config.backoffice import changelist as lists
from config.platform.dates import day_from, end_of, start_of

_LONGEST_TEXT = 128
_SHOWN = 40  # characters of the input in a message


class _TypedFilter(ListFilter):
    """A filter with text inputs, which the form of all filters shows (`config.backoffice.filter_form`)."""

    inputs: Sequence[tuple[str, Any, str]] = ()  # (query name, label, HTML type)

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.model = model
        for name, _label, _kind in self.inputs:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1].strip()

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[Any]:
        return [name for name, _label, _kind in self.inputs]

    def input_text(self, name: str) -> str:
        return str(self.used_parameters.get(name, ""))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the matching rows; for an invalid input no rows, with a message."""
        try:
            return self.matching(queryset)
        except _InvalidInput as error:
            return _no_rows(request, queryset, self.title, str(error))

    def matching(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        raise NotImplementedError


class _InvalidInput(ValueError):
    """An input that is not a day, an amount or a possible text. The message is the input."""


def _no_rows(request: HttpRequest, queryset: QuerySet[Any], title: Any, typed: str) -> QuerySet[Any]:
    """Return no rows, with a message: ignoring an invalid filter would include every row in an export or an action."""
    text = gettext("筛选“%(title)s”的值“%(typed)s”无效，没有显示任何记录。") % {
        "title": title,
        "typed": typed[:_SHOWN],
    }
    shown: set[str] = request.__dict__.setdefault(
        "_filter_messages", set()
    )  # a list runs its filters several times
    if text not in shown:
        shown.add(text)
        messages.warning(request, text)
    return queryset.none()


def parameters_of(list_filter: Any) -> set[str]:
    """Return the query parameters of one entry of `list_filter`: a field, a pair of field and class, or a class."""
    if isinstance(list_filter, str | tuple):
        field = list_filter if isinstance(list_filter, str) else list_filter[0]
        return {field, *(f"{field}__{kind}" for kind in ("exact", "isempty", "isnull", "id__exact"))}
    names = {name for name, _label, _kind in getattr(list_filter, "inputs", ())}
    return names | {getattr(list_filter, "parameter_name", "")}


def days(field: str, title: Any, *, of_moments: bool = True) -> type[ListFilter]:
    """Return a filter by days, both ends included. The field holds moments, or dates with `of_moments=False`."""

    class Days(_TypedFilter):
        inputs = ((f"{field}_from", _("从"), "date"), (f"{field}_to", _("到"), "date"))

        def matching(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
            since, until = _day(self.input_text(f"{field}_from")), _day(self.input_text(f"{field}_to"))
            if since:
                queryset = queryset.filter(**{f"{field}__gte": start_of(since) if of_moments else since})
            if until and of_moments:
                return queryset.filter(**{f"{field}__lt": end_of(until)})
            return queryset.filter(**{f"{field}__lte": until}) if until else queryset

    Days.title = title
    return Days


def amounts(field: str, title: Any) -> type[ListFilter]:
    """Return a filter by amounts, both ends included."""

    class Amounts(_TypedFilter):
        inputs = ((f"{field}_from", _("从"), "number"), (f"{field}_to", _("到"), "number"))

        def matching(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
            for name, lookup in ((f"{field}_from", "gte"), (f"{field}_to", "lte")):
                amount = _number(self.input_text(name))
                if amount is not None:
                    queryset = queryset.filter(**{f"{field}__{lookup}": amount})
            return queryset

    Amounts.title = title
    return Amounts


def exactly(lookup: str, title: Any) -> type[ListFilter]:
    """Return a filter by an exact text. `lookup` may cross a foreign key (`robot__code`)."""

    class Exactly(_TypedFilter):
        inputs = ((lookup.replace("__", "_"), "", "text"),)

        def matching(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
            text = self.input_text(self.inputs[0][0])
            if len(text) > _LONGEST_TEXT or "\x00" in text:
                raise _InvalidInput(text.replace("\x00", ""))
            return queryset.filter(lists.search_filter(self.model, [lookup], text)[0]) if text else queryset

    Exactly.title = title
    return Exactly


def among(field: str, title: Any, values: Sequence[tuple[Any, Any]]) -> type[ListFilter]:
    """Return a filter by one of a few given values."""
    return states(field, title, {str(value): (label, Q(**{field: value})) for value, label in values})


def states(parameter: str, title: Any, known: dict[str, tuple[Any, Any]]) -> type[ListFilter]:
    """Return a filter by named states, given as {value: (label, Q)}."""

    class States(SimpleListFilter):
        parameter_name = parameter

        def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[Any, Any]]:
            return [(value, label) for value, (label, _condition) in known.items()]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            value = self.value()
            if value and value not in known:
                return _no_rows(request, queryset, self.title, value)
            return queryset.filter(known[value][1]) if value else queryset

    States.title = title
    return States


def _day(text: str) -> date | None:
    """Return the day of the input. Returns None for an empty input. Raises _InvalidInput."""
    if not text:
        return None
    try:
        day = day_from(text)
    except ValueError as error:
        raise _InvalidInput(text) from error
    if not timedelta(days=366) < day - date.min < timedelta(days=366 * 9000):
        raise _InvalidInput(text)
    return day


def _number(text: str) -> Decimal | None:
    """Return the amount of the input. Returns None for an empty input. Raises _InvalidInput."""
    amount = yuan_from(text)
    if text and amount is None:
        raise _InvalidInput(text)
    return amount
