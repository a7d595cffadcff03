"""Lists as fast on a million rows as on ten thousand: capped counts, and searches and orders that use indexes."""

import re
from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, SEARCH_VAR, ChangeList
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.paginator import Paginator
from django.db.models import Exists, F, Func, IntegerField, Model, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.text import smart_split, unescape_string_literal
from django.utils.translation import gettext as _

from config.backoffice import filter_form
from config.backoffice.phones import plain_phone

COUNT_LIMIT = 10_000  # rows; a list shows "more than" beyond it
MATCH_LIMIT = 1_000  # users, robots or groups that one search term may match
_BY_PART_OF_PHONE, _DIGITS = "phone__contains", re.compile(r"\+?[0-9]+")


class CappedPaginator(Paginator):
    """A paginator that counts up to `COUNT_LIMIT`, so that the count of a huge list costs as much as one page."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return capped_count(rows)


def capped_count(rows: QuerySet[Any]) -> int:
    """Return the number of rows, or `COUNT_LIMIT` + 1 for more: a count of all rows would read all of them."""
    return rows.order_by().values("pk")[: COUNT_LIMIT + 1].count()


def capped_text(count: int) -> str:
    """Return a number of `capped_count` as text: "10000+" above the limit."""
    return f"{COUNT_LIMIT}+" if count > COUNT_LIMIT else str(count)


def match_text(count: int) -> str:
    """Return a number that was counted up to `MATCH_LIMIT` + 1 as text: "1,000+" above the limit."""
    return f"{MATCH_LIMIT:,}+" if count > MATCH_LIMIT else str(count)


def match_count(rows: QuerySet[Any]) -> Func:
    """Return an expression: the number of these rows, which refer to an outer row, counted up to `MATCH_LIMIT` + 1."""
    some = rows.order_by().values("pk")[: MATCH_LIMIT + 1]
    return Func(ArraySubquery(some), function="cardinality", output_field=IntegerField())


def count_text(rows: QuerySet[Any]) -> str:
    """Return the number of rows as `match_text`."""
    return match_text(rows.order_by().values("pk")[: MATCH_LIMIT + 1].count())


class FastChangeList(ChangeList):
    """A change list sorted by one column and by the primary key in the opposite direction, like the indexes."""

    @property
    def is_capped(self) -> bool:
        return self.result_count > COUNT_LIMIT

    @cached_property
    def filter_fields(self) -> list[filter_form.FilterField]:
        return filter_form.fields_of(self)

    @property
    def related_filters(self) -> list[tuple[str, str]]:
        """Return the filters that the form has no field for: of a list reached from another object's page."""
        fields = {name for each in self.filter_specs for name in each.expected_parameters()}
        kept = {SEARCH_VAR, ORDER_VAR, *fields}
        return [
            (name, value) for name, values in self.filter_params.items() if name not in kept for value in values
        ]

    @cached_property
    def chips(self) -> list[tuple[str, str]]:
        return filter_form.chips_of(self)

    def get_filters(self, request: HttpRequest) -> Any:
        """Refuse NUL, which PostgreSQL never accepts, in Django's own filters. Typed filters check their input."""
        typed = {name for each in self.list_filter or () for name, *_rest in getattr(each, "inputs", ())}
        texts = (text for name, given in self.filter_params.items() if name not in typed for text in given)
        if any("\x00" in text for text in texts):
            raise IncorrectLookupParameters
        specs, has_filters, lookups, *rest = super().get_filters(request)
        return (specs, has_filters, self._without_joins(lookups), *rest)

    def _without_joins(self, lookups: dict[str, Any]) -> dict[str, Any]:
        """Return the lookups with keys in place of those across a relation: a join would lose the order of an index."""
        found = dict[str, Any]()
        for name, values in lookups.items():
            head, _dot, rest = name.partition("__")
            related: Any = (
                self.model._meta.get_field(head).related_model if _is_relation(self.model, head) else None
            )
            if related is None or not _has_field(related, rest):
                found[name] = values
                continue
            try:
                keys = related._base_manager.filter(**{f"{rest}__in": values}).values_list("pk", flat=True)
                found[f"{head}__in"] = [list(keys[:MATCH_LIMIT])]
            except (ValueError, ValidationError) as error:
                raise IncorrectLookupParameters from error
        return found

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        model_admin: Any = self.model_admin
        model_admin.prepare_rows(list(self.result_list))  # the queryset keeps these objects

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows = super().get_queryset(request, exclude_parameters)
        is_filtered = bool(self.query or self.filter_params)
        return rows if is_filtered or not getattr(self.model_admin, "requires_filter", False) else rows.none()

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return the field to sort by. Returns None for a column without an index, also when the address names it."""
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        first = super().get_ordering(request, queryset.order_by())[0]
        name = str(first).lstrip("-")
        if ORDER_VAR not in self.params or name == "pk":
            return super().get_ordering(request, queryset)
        nulls = True if self.lookup_opts.get_field(name).null else None
        if str(first).startswith("-"):
            return [F(name).desc(nulls_last=nulls), F("pk").asc()]
        return [F(name).asc(nulls_first=nulls), F("pk").desc()]


def search_filter(model: type[Model], lookups: Sequence[str], term: str) -> tuple[Q, bool]:
    """Return a filter for rows that match one of the lookups, and whether the term matched too many related rows.

    Related rows are looked up first and inserted as keys, because an OR across a join cannot use an index.
    """
    found, related_lookups = Q(pk__in=[]), dict[str, list[str]]()  # without a lookup: no rows
    for lookup in lookups:
        if lookup == _BY_PART_OF_PHONE and not _DIGITS.fullmatch(term):
            continue  # no phone has it, and to find that out would take the whole index
        head, _dot, rest = lookup.partition("__")
        if rest and _is_relation(model, head):
            related_lookups.setdefault(head, []).append(rest)
        else:
            found |= Q(**{lookup: term})
    too_many = False
    for head, rests in related_lookups.items():
        related = cast("type[Model]", model._meta.get_field(head).related_model)
        inner, inner_too_many = search_filter(related, rests, term)
        keys = list(related._base_manager.filter(inner).values_list("pk", flat=True)[:MATCH_LIMIT])
        too_many |= inner_too_many or len(keys) == MATCH_LIMIT
        if len(keys) > 1:
            # PostgreSQL expects as many rows for each as the others have, and reads the whole table for a thousand
            # users without a group.
            rows = model._base_manager.filter(**{head: OuterRef("pk")}).order_by()
            keys = list(related._base_manager.filter(Exists(rows), pk__in=keys).values_list("pk", flat=True))
        found |= Q(**{f"{head}__in": keys})
    return found, too_many


def _has_field(model: type[Model], name: str) -> bool:
    return any(field.name == name for field in model._meta.get_fields())


def _is_relation(model: type[Model], name: str) -> bool:
    try:
        return bool(model._meta.get_field(name).is_relation)
    except FieldDoesNotExist:
        return False


def search_terms(typed: str) -> list[str]:
    """Return the terms of a search, each of which a row matches: a phone in any spelling, quoted texts, and others."""
    bits = smart_split(plain_phone(typed.replace("\x00", "")))
    return [unescape_string_literal(bit) if bit[0] in "\"'" and bit[0] == bit[-1] else bit for bit in bits]


class FastSearch(admin.ModelAdmin):
    """A ModelAdmin whose `search_fields` name their lookups (`phone__contains`, `user__code__exact`)."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        for term in search_terms(search_term):
            found, too_many = search_filter(queryset.model, self.get_search_fields(request), term)
            queryset = queryset.filter(found)
            if too_many:
                text = _("“%(word)s”匹配的太多，只查了其中 %(count)s 个，请输入更完整的内容。")
                messages.warning(request, text % {"word": term, "count": MATCH_LIMIT})
        return queryset, False
