"""Paths of groups. `groups/star` and its like come before `groups/<reference>/…`."""

from django.urls import path

from groups import views

urlpatterns = [
    path("groups", views.GroupViews.as_view({"get": "list"})),
    path("groups/star", views.StarViews.as_view({"post": "create"})),
]
