"""How much of a body is read, and how: one rule for declared and for chunked bodies, before anything looks at one.

Django goes by Content-Length and sees an empty body where there is none, although the server can read a chunked one.
Its own limit (DATA_UPLOAD_MAX_MEMORY_SIZE) leaves out files, so strangers could fill the disk through the CSRF check.
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
    """Refuse bodies over the view's limit with 413, and read chunked ones. Stands before CsrfViewMiddleware.

    A view may say by `body_limit(request, **kwargs)` how many bytes it takes; MAX_BODY_BYTES otherwise.
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
                _take_chunked(request, limit)
            elif _declared(request) > limit:
                raise _too_large(limit)
        except _BodyRefused as refused:
            return _answered(request, view, refused)
        return None


def _declared(request: WSGIRequest) -> int:
    length = str(request.META.get("CONTENT_LENGTH") or "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _take_chunked(request: WSGIRequest, limit: int) -> None:
    """Give the request its body, as if its length had been declared."""
    if not request.META.get("wsgi.input_terminated"):
        raise _BodyRefused(
            HTTPStatus.LENGTH_REQUIRED, Code.BAD_REQUEST, _("服务器不支持分块传输，请给出 Content-Length")
        )
    raw = _read(request.META["wsgi.input"], limit)
    request.META["CONTENT_LENGTH"] = str(len(raw))
    request._stream = BytesIO(raw)


def _read(stream: IO[bytes], limit: int) -> bytes:
    """Return all of the stream. Raises _BodyRefused past the limit; what comes after it is left unread."""
    parts, size = [], 0
    while part := _part_of(stream, min(_STEP, limit + 1 - size)):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise _too_large(limit)
    return b"".join(parts)


def _part_of(stream: IO[bytes], size: int) -> bytes:
    try:
        return stream.read(size)
    except (
        Exception
    ) as error:  # each server has classes of its own for a chunk that is none and for a caller who left
        raise _BodyRefused(HTTPStatus.BAD_REQUEST, Code.BAD_REQUEST, _("请求内容不完整，请重新提交")) from error


def _too_large(limit: int) -> _BodyRefused:
    sentence = _("请求内容超过 %(limit)s MiB，请分批提交") % {"limit": limit // 1024**2}
    return _BodyRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Code.BODY_TOO_LARGE, sentence)


def _answered(request: WSGIRequest, view: View, refused: _BodyRefused) -> HttpResponse:
    """Return the refusal in the shape of the operation's answers; as a page where operators submit a form."""
    renderers = getattr(getattr(view, "cls", None), "renderer_classes", ())
    if not renderers and is_for_people(request):
        return render(request, "admin/body_refused.html", {"sentence": refused.sentence}, status=refused.status)
    own = next((one for one in renderers if issubclass(one, EnvelopeRenderer)), EnvelopeRenderer)
    return plain_answer(Answer(None, {}, refused.sentence, refused.code), refused.status, renderer=own)
