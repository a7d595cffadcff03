"""Rows of a statement in the form of a serializer, without the serializer's work for each row.

A serializer describes the answer, and its `source`s name the columns. A field whose column has the form of the answer already
costs nothing; the others are converted as the serializer does.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from operator import itemgetter
from typing import Any, cast

from django.utils import timezone
from rest_framework import serializers
from rest_framework.settings import api_settings

from config.api.fields import MoneyStringField

Convert = Callable[[Any], Any]
_AS_THEY_ARE = (
    serializers.CharField,
    serializers.IntegerField,
    serializers.BooleanField,
    serializers.UUIDField,
)


def written(
    shape: type[serializers.Serializer[Any]], columns: Sequence[str], rows: Iterable[Any]
) -> list[dict[str, Any]]:
    """Return rows of these columns as `shape(many=True)` returns objects with such attributes."""
    names, values_of, conversions = _plan(shape, tuple(columns))
    answer = []
    for row in rows:
        data = dict(zip(names, values_of((*row, None)), strict=True))
        for name, convert in conversions:
            if (value := data[name]) is not None:
                data[name] = convert(value)
        answer.append(data)
    return answer


def written_object(shape: type[serializers.Serializer[Any]], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the `source`s of a serializer as it returns an object with such attributes.

    A value that is missing, of a field that is not required, is left out.
    """
    data = {}
    for name, source, convert in _fields(shape):
        if source in values:
            value = values[source]
            data[name] = value if convert is None or value is None else convert(value)
    return data


@cache
def _fields(shape: type[serializers.Serializer[Any]]) -> list[tuple[str, str, Convert | None]]:
    return [(name, str(field.source), _conversion(field)) for name, field in shape().fields.items()]


@cache
def _plan(
    shape: type[serializers.Serializer[Any]], columns: tuple[str, ...]
) -> tuple[tuple[str, ...], Callable[[Any], Any], list[tuple[str, Convert]]]:
    """Return the names of an answer, a function that returns their values of a row, and what must be converted."""
    fields = shape().fields
    places = {name: _place_of(field, columns) for name, field in fields.items()}
    conversions = [(name, convert) for name, field in fields.items() if (convert := _conversion(field)) is not None]
    values_of = itemgetter(*places.values()) if len(places) > 1 else lambda row: row[:1]
    return tuple(fields), values_of, conversions


def _place_of(field: Any, columns: tuple[str, ...]) -> int:
    """Return the place of the field's value in a row. The place after the last column holds null."""
    column = str(field.source).replace(".", "__")
    return len(columns) if field.allow_null and column not in columns else columns.index(column)


def _conversion(field: Any) -> Convert | None:
    if type(field) in _AS_THEY_ARE:
        return None
    if type(field) is MoneyStringField:
        return "{:.2f}".format
    if type(field) is serializers.DateTimeField:
        return _time_in(getattr(field, "format", None) or str(api_settings.DATETIME_FORMAT))
    if isinstance(field, serializers.ListSerializer):
        shape = cast(type[serializers.Serializer[Any]], type(field.child))
        return lambda values: [written_object(shape, value) for value in values]
    if isinstance(field, serializers.Serializer):
        return partial(written_object, type(field))
    return cast(Convert, field.to_representation)


def _time_in(form: str) -> Convert:
    zone = timezone.get_default_timezone()
    return lambda moment: moment.astimezone(zone).strftime(form)
