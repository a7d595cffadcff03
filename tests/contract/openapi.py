"""The schema of the API, as the tests of the contract read it."""

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator


@cache
def openapi_schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def bare_path(path: str) -> str:
    """Return a path without parameter names, which differ between the specification and the code."""
    return "/".join("{}" if part.startswith(("{", "<")) else part for part in path.split("/"))
