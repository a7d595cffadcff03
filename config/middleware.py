"""Middleware that only pages need: the admin, the documentation, the page on which users confirm payouts.

Operations of the API skip it, which is a third of the time of a small one. A request with an operator's session cookie
always passes through it, because operators may call operations too.
"""

from typing import Any

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase
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

    return ForPages


PageSecurityPolicy = _for_pages(CSPMiddleware)
PageFiles = _for_pages(WhiteNoiseMiddleware)
PageSession = _for_pages(SessionMiddleware)
PageLanguage = _for_pages(LanguageByChoice)
PageAxiosCookie = _for_pages(AxiosCsrfCookie)
PageUser = _for_pages(AuthenticationMiddleware)
PageSecondFactor = _for_pages(OTPMiddleware)
PageMessages = _for_pages(MessageMiddleware)
