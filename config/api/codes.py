"""From a code to an HTTP status."""

from http import HTTPStatus

from django.conf import settings

from config.errors import Code

# Not an operation's answer: these carry their own status always.
_ALWAYS: dict[Code, HTTPStatus] = {
    Code.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Code.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.TOO_MANY_REQUESTS: HTTPStatus.TOO_MANY_REQUESTS,
    Code.OUR_FAULT: HTTPStatus.INTERNAL_SERVER_ERROR,
    Code.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
# With API_NATIVE_STATUS refusals have a status too; those not named here are a bad request or a conflict of state.
_NATIVE: dict[Code, HTTPStatus] = {
    Code.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Code.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.CONFLICT: HTTPStatus.CONFLICT,
    Code.SMS_TOO_OFTEN: HTTPStatus.TOO_MANY_REQUESTS,
    Code.OUTSIDE_FAILED: HTTPStatus.BAD_GATEWAY,
    Code.WECHAT_REFUSED: HTTPStatus.UNAUTHORIZED,
    Code.NO_ROBOT_FREE: HTTPStatus.CONFLICT,
    Code.WITHDRAWAL_REFUSED: HTTPStatus.FORBIDDEN,
}


def http_status(code: Code, *, known: bool = False) -> int:
    """The HTTP status of a refusal. `known` says that the caller is somebody, yet may not."""
    if code in _ALWAYS:
        return _ALWAYS[code]
    if not settings.API_NATIVE_STATUS or code == Code.OK:
        return HTTPStatus.OK
    if code == Code.UNAUTHENTICATED and known:
        return HTTPStatus.FORBIDDEN
    return _NATIVE.get(code, HTTPStatus.UNPROCESSABLE_ENTITY)
