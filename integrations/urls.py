"""Paths for outside systems."""

from django.urls import path

from integrations import views

urlpatterns = [
    path("gateway/events", views.GatewayEventViews.as_view({"post": "create"})),
]
