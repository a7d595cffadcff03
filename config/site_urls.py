"""Paths that clients ask before anything else."""

from django.urls import path

from config import site_views

urlpatterns = [
    path("app/status", site_views.StatusViews.as_view({"get": "show", "post": "create"})),
    path("app/marquee", site_views.MarqueeViews.as_view({"get": "show", "post": "create"})),
    path("page/access", site_views.VisitViews.as_view({"get": "create"})),
]
