"""The language: Chinese, or English in the admin for operators who switched. Accept-Language has no effect."""

from typing import cast

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation


class LanguageByChoice(LocaleMiddleware):
    """A middleware that follows, in the admin, the cookie of its language switch. The API answers in Chinese."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Respond in the chosen language, and end in the default one: requests of the API do not choose."""
        with translation.override(settings.LANGUAGE_CODE):
            return cast(HttpResponseBase, super().__call__(request))

    def process_request(self, request: HttpRequest) -> None:
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) if request.path.startswith("/admin/") else None
        translation.activate(chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE)
        request.LANGUAGE_CODE = translation.get_language()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Set Content-Language without Django's `Vary: Accept-Language`, which would only split caches."""
        response.headers.setdefault("Content-Language", translation.get_language())
        return response
