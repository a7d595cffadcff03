"""The envelope of all responses, and the renderers that write it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from config.errors import Code


@dataclass(frozen=True)
class Answer:
    """The contents of the envelope: data with a page, a description, or (from the exception handler) a refusal."""

    data: Any = None
    page_info: Mapping[str, int] = field(default_factory=dict)
    description: str = ""
    code: Code = Code.OK


def _as_answer(data: Any) -> Answer:
    return data if isinstance(data, Answer) else Answer(data=data)


def _to_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    return str(value)


def _printable(text: str) -> str:
    """Replace lone surrogates, which JSON does not allow. A refusal may quote them from the request."""
    return text.encode("utf-8", "replace").decode()


def to_bytes(value: Any) -> bytes:
    """Return the value as JSON in UTF-8. Decimals become strings; serializers set the two decimal places of money."""
    return orjson.dumps(value, default=_to_json, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS)


class EnvelopeRenderer(BaseRenderer):
    """The renderer of `{"code", "description", "data", "page_info"}`: always all four, in this order."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        answer = _as_answer(data)
        return to_bytes(
            {
                "code": int(answer.code),
                "description": _printable(answer.description),
                "data": answer.data,
                "page_info": dict(answer.page_info),
            }
        )


class TokenRenderer(EnvelopeRenderer):
    """The renderer of `/auth` and `/auth/me`, which have an older form: `code`, `msg` and the data beside them."""

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        answer = _as_answer(data)
        return to_bytes({"code": int(answer.code), "msg": _printable(answer.description), **(answer.data or {})})


class AlwaysJSON(BaseContentNegotiation):
    """Content negotiation that returns JSON for every `Accept` header."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        content_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


def plain_answer(
    answer: Answer,
    status: int,
    headers: Mapping[str, str] | None = None,
    renderer: type[EnvelopeRenderer] = EnvelopeRenderer,
) -> HttpResponse:
    """Return a response outside DRF: for an unknown path, a refused body, or an error before a view was found."""
    body = renderer().render(answer)
    return HttpResponse(body, status=status, content_type="application/json", headers=dict(headers or {}))


def is_for_people(request: HttpRequest) -> bool:
    """Return whether the response is an HTML page, which it is in the admin only."""
    return request.path.startswith("/admin/")
