"""Validated input, as a typed dict of our own names."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request


def body(request: Request, shape: type[serializers.BaseSerializer[Any]], **kwargs: Any) -> Any:
    """The validated body; 1403 names what is wrong."""
    serializer = shape(data=request.data, **kwargs)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def filters(request: Request, shape: type[serializers.BaseSerializer[Any]]) -> Any:
    """Return a validated body of filters. Forms send what is left blank too, so blank text and null count as absent."""
    given = request.data
    if isinstance(given, dict):
        given = {name: value for name, value in given.items() if not _is_blank(value)}
    serializer = shape(data=given)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def query(request: Request, shape: type[serializers.BaseSerializer[Any]]) -> Any:
    """The validated query string; blank values count as absent."""
    given = {name: value for name, value in request.query_params.items() if value != ""}
    serializer = shape(data=given)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
