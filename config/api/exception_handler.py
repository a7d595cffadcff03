"""The conversion of exceptions to responses; no other module does it."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.response import Response

from config.api.codes import http_status
from config.api.renderer import Answer, is_for_people, plain_answer
from config.errors import Code, Refusal, with_field_name

logger = logging.getLogger(__name__)

RETRY_LATER = {"Retry-After": "5"}  # seconds
DEPENDENCY_DOWN = (OperationalError, InterfaceError, RedisError)
_BY_TYPE: tuple[tuple[type[Exception], Code, str], ...] = (
    (exceptions.NotAuthenticated, Code.UNAUTHENTICATED, "未登录或登录已失效，请重新登录"),
    (exceptions.AuthenticationFailed, Code.UNAUTHENTICATED, "未登录或登录已失效，请重新登录"),
    (Http404, Code.NOT_FOUND, "没有找到，请检查编号是否正确"),
    (exceptions.NotFound, Code.NOT_FOUND, "没有找到，请检查编号是否正确"),
    (exceptions.MethodNotAllowed, Code.METHOD_NOT_ALLOWED, "该地址不支持这种请求方法"),
    (exceptions.UnsupportedMediaType, Code.UNSUPPORTED_MEDIA_TYPE, "请以 application/json 提交"),
    (exceptions.ParseError, Code.BAD_REQUEST, "请求内容不是合法的 JSON"),
    (RecursionError, Code.BAD_REQUEST, "请求内容嵌套过深"),
)


def sentences_of(detail: Any, path: str = "") -> Iterator[str]:
    """Yield each error of a serializer as a sentence followed by the name of its field."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from sentences_of(value, ".".join(part for part in (path, name) if part))
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        for index, value in enumerate(detail):
            nested = isinstance(value, Mapping) and value
            yield from sentences_of(value, f"{path}.{index}".lstrip(".") if nested else path)
    else:
        yield with_field_name(str(detail), path)


def _describe(error: Exception) -> tuple[Answer, dict[str, str]]:
    """Return the answer to an exception, and its headers."""
    if isinstance(error, Refusal):
        wait = getattr(error, "retry_after", None)
        return Answer(error.data, {}, error.description, error.code), {"Retry-After": str(wait)} if wait else {}
    if isinstance(error, exceptions.ValidationError):
        return Answer(None, {}, "；".join(sentences_of(error.detail))[:500], Code.BAD_REQUEST), {}
    if isinstance(error, exceptions.PermissionDenied | PermissionDenied):
        detail = getattr(error, "detail", "") if getattr(error, "status_code", 0) == 403 else ""
        description = detail if getattr(detail, "code", "") == "stated" else "没有权限进行此操作"
        return Answer(None, {}, str(description), Code.UNAUTHENTICATED), {}
    for kind, code, description in _BY_TYPE:
        if isinstance(error, kind):
            return Answer(None, {}, description, code), {}
    if isinstance(error, DEPENDENCY_DOWN):
        logger.error("A required service is down: %s", type(error).__name__)
        return Answer(None, {}, "服务暂时不可用，请稍后再试", Code.UNAVAILABLE), dict(RETRY_LATER)
    return Answer(None, {}, "系统出错了，我们已经记录，请稍后再试", Code.OUR_FAULT), {}


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """Convert every exception of a view to an envelope (DRF's EXCEPTION_HANDLER)."""
    answer, headers = _describe(error)
    request = context.get("request")
    if answer.code == Code.OUR_FAULT:
        logger.exception("Fault in %s", _operation_of(request), exc_info=error)
    known = isinstance(error, exceptions.PermissionDenied) and bool(request and request.user)
    if answer.code == Code.UNAUTHENTICATED and http_status(answer.code, known=known) == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(answer, status=http_status(answer.code, known=known), headers=headers)


def _operation_of(request: Any) -> str:
    """Return the method and the route. The path is left out: it can hold a key, or text that forges a line of the log."""
    match = getattr(request, "resolver_match", None)
    return f"{getattr(request, 'method', '')} {match.route if match else ''}".strip()


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a path that no operation has (handler404)."""
    if is_for_people(request):
        return error_page(
            request, HTTPStatus.NOT_FOUND, gettext("没有这个页面"), gettext("地址可能写错了，或对象已经不在。")
        )
    return plain_answer(Answer(None, {}, "没有这个地址，接口文档见 /docs", Code.NOT_FOUND), 404)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a host or a request that Django itself refuses (handler400)."""
    if isinstance(exception, RequestDataTooBig):
        return plain_answer(Answer(None, {}, "请求内容超过 2 MiB，请分批提交", Code.BODY_TOO_LARGE), 413)
    return plain_answer(Answer(None, {}, "请求参数错误", Code.BAD_REQUEST), 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request without the permission (handler403)."""
    if is_for_people(request):
        text = gettext("你的角色没有这个权限。需要的话，请管理员在“运营人员”中调整。")
        return error_page(request, HTTPStatus.FORBIDDEN, gettext("没有权限"), text)
    return plain_answer(Answer(None, {}, "没有权限进行此操作", Code.UNAUTHENTICATED), 403)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that lacks the right token (CSRF_FAILURE_VIEW): mostly one opened before the last sign-in."""
    if is_for_people(request):
        text = gettext("这个页面是在上次登录之前打开的，提交没有生效。请返回，刷新页面后重新填写。")
        return error_page(request, HTTPStatus.FORBIDDEN, gettext("页面已过期"), text)
    return plain_answer(Answer(None, {}, "没有权限进行此操作", Code.UNAUTHENTICATED), 403)


def error_page(request: HttpRequest, status: HTTPStatus, title: str, text: str) -> HttpResponse:
    """Return a page of the admin about an error, with a reference that is in the log too."""
    reference = uuid4().hex[:8]
    logger.warning("Error page %s: %d in %s", reference, status, _operation_of(request))
    page = render_to_string("admin/error_page.html", {"title": title, "text": text, "reference": reference})
    return HttpResponse(page, status=status)


def answer_other_method(request: HttpRequest) -> HttpResponse:
    """Answer a method other than GET and HEAD on a read-only page: 204 with `Allow` for OPTIONS, 405 for the rest."""
    allowed = {"Allow": "GET, HEAD, OPTIONS"}
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers=allowed)
    answer = Answer(None, {}, "该地址不支持这种请求方法", Code.METHOD_NOT_ALLOWED)
    return plain_answer(answer, 405, allowed)


def our_fault(request: HttpRequest) -> HttpResponse:
    """Answer an error outside any operation (handler500; Django logs it): 503 while the database or Redis is down."""
    error = sys.exc_info()[1]  # Django calls handler500 while it handles the exception
    if isinstance(error, DEPENDENCY_DOWN):
        return _unavailable(request, error)
    if is_for_people(request):
        text = gettext("我们已经记录，请稍后再试；再次出错时，请把下面的编号告诉运维。刚才提交的操作没有完成。")
        return error_page(request, HTTPStatus.INTERNAL_SERVER_ERROR, gettext("系统出错了"), text)
    return plain_answer(Answer(None, {}, "系统出错了，我们已经记录，请稍后再试", Code.OUR_FAULT), 500)


def _unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    if is_for_people(request):
        text = gettext(
            "数据库或缓存正在恢复，请几秒后刷新页面。刚才提交的操作可能已经完成，请先查看结果再重新提交。"
        )
        page = error_page(request, HTTPStatus.SERVICE_UNAVAILABLE, gettext("服务暂时不可用"), text)
        page["Retry-After"] = RETRY_LATER["Retry-After"]
        return page
    answer, headers = _describe(error)
    return plain_answer(answer, HTTPStatus.SERVICE_UNAVAILABLE, headers)
