"""OpenAPI: what each operation takes, answers and refuses, in the envelope as it really is."""

from collections.abc import Callable, Sequence
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema

from config.errors import Code


class EnvelopeSchema(AutoSchema):
    """drf-spectacular's schema, with every answer wrapped."""


def operation(
    summary: str,
    *,
    answer: Any = None,
    body: Any = None,
    query: Any = None,
    codes: Sequence[Code] = (),
    paged: bool = False,
    example: Any = None,
    description: str = "",
) -> Callable[[Any], Any]:
    """Documents one operation: its one-line summary, the shape of `data`, what it takes and the codes it may refuse with."""
    return extend_schema(summary=summary, description=description, request=body, responses=answer)
