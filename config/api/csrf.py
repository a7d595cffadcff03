"""The CSRF token under the cookie and header names of axios, for pages that call as a signed-in operator.

The old back-office client uses axios: it sends neither a key nor Django's own X-CSRFToken.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

AXIOS_COOKIE = "XSRF-TOKEN"
AXIOS_HEADER = "HTTP_X_XSRF_TOKEN"


class AxiosCsrfCookie:
    """A middleware, before CsrfViewMiddleware, that sets Django's CSRF cookie a second time, under the name of axios."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        cookie = response.cookies.get(settings.CSRF_COOKIE_NAME)
        if cookie is not None:
            response.set_cookie(
                AXIOS_COOKIE,
                cookie.value,
                max_age=settings.CSRF_COOKIE_AGE,
                secure=settings.CSRF_COOKIE_SECURE,
                samesite=settings.CSRF_COOKIE_SAMESITE,
            )
        return response
