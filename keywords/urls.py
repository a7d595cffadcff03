"""Paths of keywords."""

from django.urls import path

from keywords.views import KeywordViews

urlpatterns = [
    path(
        "keywords",
        KeywordViews.as_view({"get": "list", "post": "create", "put": "update", "delete": "destroy"}),
    ),
    path("keywords/<str:batch_id>", KeywordViews.as_view({"get": "show"})),
]
