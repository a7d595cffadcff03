"""Middleware that only pages need: the admin, the documentation, the page on which users confirm payouts.

Operations of the API skip it, which is a third of the time of a small one. A request with an operator's session cookie
always passes through it, because operators may call operations too.
"""

from collections.abc import Callable, Mapping
from typing import Any

from axes.middleware import AxesMiddleware
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django_otp.middleware import OTPMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from config.api.csrf import AxiosCsrfCookie
from config.backoffice.middleware import LanguageByChoice

PAGES = ("/admin", "/docs", "/schema", settings.STATIC_URL, "/payouts/")


def _is_for_page(request: HttpRequest) -> bool:
    has_session = settings.SESSION_COOKIE_NAME in request.META.get("HTTP_COOKIE", "")
    return has_session or request.path_info.startswith(PAGES)


def _for_pages(kind: Any) -> Any:
    """Return the middleware class, changed so that it handles requests of pages only."""

    class ForPages(kind):  # type: ignore[misc]  # any class
        def __call__(self, request: HttpRequest) -> HttpResponseBase:
            response: HttpResponseBase = (super().__call__ if _is_for_page(request) else self.get_response)(request)
            return response

        if hasattr(kind, "process_view"):

            def process_view(
                self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]
            ) -> Any:
                return super().process_view(request, view, args, kwargs) if _is_for_page(request) else None

    return ForPages


PageSecurityPolicy = _for_pages(CSPMiddleware)
PageFiles = _for_pages(WhiteNoiseMiddleware)
PageSession = _for_pages(SessionMiddleware)
PageLanguage = _for_pages(LanguageByChoice)
PageAxiosCookie = _for_pages(AxiosCsrfCookie)
PageCsrf = _for_pages(CsrfViewMiddleware)
PageUser = _for_pages(AuthenticationMiddleware)
PageSecondFactor = _for_pages(OTPMiddleware)
PageMessages = _for_pages(MessageMiddleware)
PageFrames = _for_pages(XFrameOptionsMiddleware)
PageLockout = _for_pages(AxesMiddleware)
