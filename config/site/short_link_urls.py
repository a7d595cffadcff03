"""URLs of short links."""

from django.urls import path

from config.site import short_link_views

urlpatterns = [
    path("long_to_short", short_link_views.LinkViews.as_view({"post": "create"})),
    path("s/<str:slug>", short_link_views.FollowViews.as_view({"get": "show"})),
]
