"""Paths of robots."""

from django.urls import path

from robots import views

urlpatterns = [
    path("robot/distribution", views.DistributionViews.as_view({"post": "create"})),
]
