"""Paths of feedback. Paths under `admin/` belong to the API: they have no trailing slash, unlike the admin's pages."""

from django.urls import path

from feedback import views

urlpatterns = [
    path("admin/problems", views.CategoryViews.as_view({"get": "list"})),
    path("admin/problem/feedback", views.ProblemListViews.as_view({"post": "list"})),
    path("admin/problem/feedback/export", views.ProblemExportViews.as_view({"post": "create"})),
    path("problems", views.OwnCategoryViews.as_view({"get": "list"})),
    path("user/problem", views.ProblemViews.as_view({"post": "create"})),
    path("aliyun/callback", views.CallbackViews.as_view({"post": "create"})),
]
