"""Validation of bodies and query strings by serializers."""

from functools import cache
from typing import Any, TypeVar, cast

from django.db.models import QuerySet
from django_filters import FilterSet
from django_filters.utils import translate_validation
from rest_framework import serializers
from rest_framework.request import Request

from config.errors import BadRequest

Rows = TypeVar("Rows", bound=QuerySet[Any])


def body(request: Request, shape: type[serializers.BaseSerializer[Any]], **kwargs: Any) -> Any:
    """Return the validated body. Raises 1403 with the name of the invalid field."""
    return validated(shape, request.data, **kwargs)


def filters(request: Request, shape: type[serializers.BaseSerializer[Any]]) -> Any:
    """Return a validated body of filters. Forms also send empty fields, so blank text and null count as missing."""
    given = request.data
    if isinstance(given, dict):
        given = {name: value for name, value in given.items() if not _is_blank(value)}
    return validated(shape, given)


def filter_rows(rows: Rows, filter_set: type[FilterSet], given: dict[str, Any]) -> Rows:
    """Return the rows that match the given filters. Raises 1403 for a value that a filter cannot compare with."""
    chosen = filter_set(given, queryset=rows)
    if not chosen.is_valid():
        raise translate_validation(chosen.errors)
    matched: Rows = chosen.qs
    return matched


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def query(request: Request, shape: type[serializers.BaseSerializer[Any]]) -> Any:
    """Return the validated query string. Blank values count as missing."""
    return validated(shape, {name: value for name, value in request.query_params.items() if value != ""})


def validated(shape: type[serializers.BaseSerializer[Any]], given: Any, **kwargs: Any) -> Any:
    """Return the validated data of the serializer for `given`. Raises 1403 with the name of the invalid field."""
    if given is None:
        raise BadRequest("内容应为 JSON 对象")  # DRF's own message is in English
    if kwargs:
        serializer = shape(data=given, **kwargs)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data
    return _validator(cast(Any, shape)).run_validation(given)


@cache
def _validator(shape: Any) -> Any:
    """Return a serializer that validates for all requests: validating keeps nothing, and DRF copies all fields for each."""
    return shape()
