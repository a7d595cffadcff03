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
    """A validated body of filters; forms send the ones left blank too, so blank counts as absent."""
    told = request.data
    if isinstance(told, dict):
        told = {name: value for name, value in told.items() if value not in ("", None)}
    serializer = shape(data=told)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def query(request: Request, shape: type[serializers.BaseSerializer[Any]]) -> Any:
    """The validated query string; blank values count as absent."""
    given = {name: value for name, value in request.query_params.items() if value != ""}
    serializer = shape(data=given)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
