"""Sign-in on the pages of this service: a redirect to WeChat's sign-in page, and the return with a code.

The `state` that WeChat returns is bound to a cookie of the browser that was redirected, so that nobody can sign another
browser in with a code of their own.
"""

import secrets
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from accounts.wechat_sign_in import profile_of
from config.api import proofs
from config.errors import NotAllowed
from config.platform.signatures import is_keyed_hash, keyed_hash

COOKIE = "wechat_sign_in"
COOKIE_SECONDS = 600
_SALT = "accounts.wechat_oauth"


class SignInUnfinished(NotAllowed):
    message = "微信登录没有完成，请重新登录"


def begin_sign_in(request: HttpRequest, *, app_id: str, path: str) -> HttpResponse:
    """Return the redirect to WeChat's sign-in page, from which the browser returns to `path`.

    A browser that has the cookie keeps it: another tab that signs in at the same time may return first.
    """
    nonce = _nonce_of(request) or secrets.token_hex(16)
    query = urlencode(  # WeChat requires this order
        {
            "appid": app_id,
            "redirect_uri": f"{settings.PUBLIC_BASE_URL}{path}",
            "response_type": "code",
            "scope": "snsapi_userinfo",
            "state": _state_of(nonce, app_id, path),
        }
    )
    address = f"{settings.WECHAT_OAUTH_BASE_URL}/connect/oauth2/authorize?{query}#wechat_redirect"
    response = HttpResponseRedirect(address)
    response.set_signed_cookie(
        COOKIE,
        nonce,
        salt=_SALT,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=not settings.EMBEDDED,
    )
    return response


def is_return(request: HttpRequest) -> bool:
    """Return whether the browser returns from WeChat: with a code, or without one when the user refused."""
    return "state" in request.GET


def is_expected(request: HttpRequest, *, app_id: str, path: str) -> bool:
    """Return whether this browser was redirected to WeChat for this page within the last ten minutes."""
    nonce = _nonce_of(request)
    return nonce is not None and is_keyed_hash(request.GET["state"], _SALT, _hashed_text(nonce, app_id, path))


def finish_sign_in(request: HttpRequest, *, app_id: str, path: str) -> HttpResponse:
    """Return the redirect to `path`, with the proof of the visitor's WeChat account.

    Raises SignInUnfinished when the browser was not redirected to WeChat or returned without a code, WeChatRefused when
    WeChat refuses the code, WeChatDown when WeChat does not answer.
    """
    code = request.GET.get("code", "")
    if not code or not is_expected(request, app_id=app_id, path=path):
        raise SignInUnfinished
    profile = profile_of(app_id, code)
    response = HttpResponseRedirect(path)
    proofs.issue(response, union_id=profile.unionid, open_id=profile.openid, app_id=app_id, at=timezone.now())
    response.delete_cookie(COOKIE, samesite="Lax")
    return response


def _nonce_of(request: HttpRequest) -> str | None:
    return request.get_signed_cookie(COOKIE, None, salt=_SALT, max_age=COOKIE_SECONDS)


def _state_of(nonce: str, app_id: str, path: str) -> str:
    """Return the `state` parameter: letters and digits only, at most 128, as WeChat requires."""
    return keyed_hash(_SALT, _hashed_text(nonce, app_id, path))


def _hashed_text(nonce: str, app_id: str, path: str) -> str:
    return f"{nonce} {app_id} {path}"
