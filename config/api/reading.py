"""Validated input, as a typed dict of our own names."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from config.errors import BadRequest


def body(request: Request, shape: type[serializers.BaseSerializer[Any]], **kwargs: Any) -> Any:
    """Return the validated body. Raises 1403, naming what is wrong."""
    return validated(shape, request.data, **kwargs)


def filters(request: Request, shape: type[serializers.BaseSerializer[Any]]) -> Any:
    """Return a validated body of filters. Forms send what is left blank too, so blank text and null count as absent."""
    given = request.data
    if isinstance(given, dict):
        given = {name: value for name, value in given.items() if not _is_blank(value)}
    return validated(shape, given)


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def query(request: Request, shape: type[serializers.BaseSerializer[Any]]) -> Any:
    """Return the validated query string. Blank values count as absent."""
    return validated(shape, {name: value for name, value in request.query_params.items() if value != ""})


def validated(shape: type[serializers.BaseSerializer[Any]], given: Any, **kwargs: Any) -> Any:
    """Return what the serializer makes of `given`. Raises 1403, naming what is wrong."""
    if given is None:
        raise BadRequest("内容应为 JSON 对象")  # the framework has this sentence in English only
    serializer = shape(data=given, **kwargs)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
