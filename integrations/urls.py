"""The URLs for outside systems."""

from django.urls import path

from integrations import views

urlpatterns = [
    path("sms/delivery/batch", views.SmsBatchViews.as_view({"post": "create"})),
    path("gateway/events", views.GatewayEventViews.as_view({"post": "create"})),
]
