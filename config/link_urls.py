"""Paths of short links."""

from django.urls import path

from config import link_views

urlpatterns = [
    path("long_to_short", link_views.LinkViews.as_view({"post": "create"})),
    path("s/<str:slug>", link_views.FollowViews.as_view({"get": "show"})),
]
