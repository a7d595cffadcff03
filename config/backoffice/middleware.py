"""Chinese, or English in the admin for whoever switched to it; what the browser prefers is not asked."""

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation


class LanguageByChoice(LocaleMiddleware):
    """Follows, in the admin, the cookie that the switch in its header sets. Operations answer in Chinese."""

    def process_request(self, request: HttpRequest) -> None:
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) if request.path.startswith("/admin/") else None
        translation.activate(chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE)
        request.LANGUAGE_CODE = translation.get_language()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Name the language, without the `Vary: Accept-Language` of Django's own: caches would keep copies for nothing."""
        response.headers.setdefault("Content-Language", translation.get_language())
        return response
