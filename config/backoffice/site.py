"""The admin site of operators: Django's admin with a dashboard, two-factor sign-in and the audit log."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.i18n import set_language

from config.backoffice import dashboard, navigation, own_sessions, queues, search, sign_in, two_factor
from config.platform import audit

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class OperatorAdminSite(AdminSite):
    site_header = _("微信群机器人 · 运营后台")
    site_title = _("运营后台")
    index_title = _("今日工作")
    site_url = None
    enable_nav_sidebar = False  # the pages have a navigation of our own
    login_form = sign_in.SignInForm
    login_template = "admin/sign_in.html"

    def get_urls(self) -> list[URLPattern | URLResolver]:
        own = [
            path("language/", set_language, name="language"),
            path("two-factor/", two_factor.enrol, name="two_factor"),
            path("sessions/", self.admin_view(own_sessions.show), name="own_sessions"),
            path("queues/", self.admin_view(queues.show_queues), name="queues"),
            path("search/", self.admin_view(search.show_results), name="search"),
        ]
        return [*own, *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return the context of every page. The navigation is there for operators who may use the admin only."""
        context = super().each_context(request)
        if not context["has_permission"]:
            return context
        return {
            **context,
            "navigation": navigation.sections(context["available_apps"], request.path),
            "has_queues": bool(queues.queues_of(request)),
            "home_address": reverse("admin:index"),
            "queues_address": reverse("admin:queues"),
        }

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the user is staff and, where two factors are required, has given the second factor."""
        return super().has_permission(request) and (
            not settings.OPERATOR_TWO_FACTOR or two_factor.is_verified(request)
        )

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the sign-in page. Redirects operators without a second factor to its setup."""
        if super().has_permission(request) and not self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:two_factor"))
        if request.method != "POST":
            return super().login(request, extra_context)
        if (refused := sign_in.refuse_too_many(request)) is not None:
            return refused
        with sign_in.password_slot(request) as busy:
            return busy or super().login(request, extra_context)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().index(request, {**dashboard.contents(request), **(extra_context or {})})

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Wrap a page: a write is one transaction in the operator's name, and browsers cache no page."""
        # Pages show the avatars and QR codes of users and robots, which other servers store.
        inner = csp_update({"img-src": ["https:"]})(super().admin_view(view, cacheable=False))

        def audited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.method in _SAFE_METHODS or not self.has_permission(request):
                return inner(request, *args, **kwargs)
            via = f"{request.path} {request.POST.get('action', '')}".strip()
            with audit.acting(by=request.user.get_username(), via=via):
                answer = inner(request, *args, **kwargs)
            dashboard.forget_cached()
            return answer

        return update_wrapper(audited, inner)
