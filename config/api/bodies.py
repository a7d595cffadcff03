"""The size limit of request bodies: one rule for bodies with a Content-Length and for chunked bodies.

Django trusts Content-Length and treats a chunked body as empty, although the server can read it. Django's own limit
(DATA_UPLOAD_MAX_MEMORY_SIZE) does not count files, so anybody could fill the disk through the CSRF check.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from config.api.renderer import Answer, EnvelopeRenderer, is_for_people, plain_answer
from config.errors import Code

View = Callable[..., HttpResponseBase]
_STEP = 64 * 1024


class _BodyRefused(Exception):
    def __init__(self, status: HTTPStatus, code: Code, sentence: str) -> None:
        self.status, self.code, self.sentence = status, code, sentence


class BoundedBodies:
    """A middleware, before CsrfViewMiddleware, that refuses bodies over the limit with 413 and reads chunked bodies.

    A view may define `body_limit(request, **kwargs)`, which returns its limit in bytes; the default is MAX_BODY_BYTES.
    """

    def __init__(self, get_response: Callable[[WSGIRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: WSGIRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: WSGIRequest, view: View, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> HttpResponse | None:
        limit_of = getattr(view, "body_limit", None)
        limit = limit_of(request, **kwargs) if limit_of else settings.MAX_BODY_BYTES
        try:
            if "HTTP_TRANSFER_ENCODING" in request.META:
                _read_chunked(request, limit)
            elif _declared_length(request) > limit:
                raise _too_large(limit)
        except _BodyRefused as refused:
            return _refusal_response(request, view, refused)
        return None


def _declared_length(request: WSGIRequest) -> int:
    length = str(request.META.get("CONTENT_LENGTH") or "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _read_chunked(request: WSGIRequest, limit: int) -> None:
    """Read a chunked body into the request and set its CONTENT_LENGTH."""
    if not request.META.get("wsgi.input_terminated"):
        raise _BodyRefused(
            HTTPStatus.LENGTH_REQUIRED, Code.BAD_REQUEST, _("服务器不支持分块传输，请给出 Content-Length")
        )
    raw = _read(request.META["wsgi.input"], limit)
    request.META["CONTENT_LENGTH"] = str(len(raw))
    request._stream = BytesIO(raw)  # noqa: SLF001 - Django reads the body from it


def _read(stream: IO[bytes], limit: int) -> bytes:
    """Return the whole stream. Raises _BodyRefused beyond the limit and leaves the rest unread."""
    parts, size = [], 0
    while part := _read_part(stream, min(_STEP, limit + 1 - size)):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise _too_large(limit)
    return b"".join(parts)


def _read_part(stream: IO[bytes], size: int) -> bytes:
    try:
        return stream.read(size)
    except (
        Exception
    ) as error:  # each server raises classes of its own for a malformed chunk and for a closed connection
        raise _BodyRefused(HTTPStatus.BAD_REQUEST, Code.BAD_REQUEST, _("请求内容不完整，请重新提交")) from error


def _too_large(limit: int) -> _BodyRefused:
    sentence = _("请求内容超过 %(limit)s MiB，请分批提交") % {"limit": limit // 1024**2}
    return _BodyRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Code.BODY_TOO_LARGE, sentence)


def _refusal_response(request: WSGIRequest, view: View, refused: _BodyRefused) -> HttpResponse:
    """Return the refusal in the envelope of the operation, or as a page where operators submit a form."""
    renderers = getattr(getattr(view, "cls", None), "renderer_classes", ())
    if not renderers and is_for_people(request):
        return render(request, "admin/body_refused.html", {"sentence": refused.sentence}, status=refused.status)
    renderer = next((each for each in renderers if issubclass(each, EnvelopeRenderer)), EnvelopeRenderer)
    return plain_answer(Answer(None, {}, refused.sentence, refused.code), refused.status, renderer=renderer)
