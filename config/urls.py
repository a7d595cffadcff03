"""The URL configuration of the project."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.api.docs import docs, schema

handler400 = "config.api.exception_handler.bad_request"
handler403 = "config.api.exception_handler.forbidden"
handler404 = "config.api.exception_handler.not_found"
handler500 = "config.api.exception_handler.our_fault"

urlpatterns = [
    path("", include("accounts.urls")),
    path("", include("robots.urls")),
    path("", include("groups.urls")),
    path("", include("integrations.urls")),
    path("", include("keywords.urls")),
    path("", include("launches.urls")),
    path("", include("feedback.urls")),
    path("", include("config.site.short_link_urls")),
    path("", include("config.site.urls")),
    path("", include("earnings.urls")),  # last: `user/<reference>` also matches `user/problem`
    path("schema", schema, name="schema"),
    path("docs", docs, name="docs"),
    # The documented operations /admin/... come before and have no trailing slash.
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(url="/admin/")),
]
