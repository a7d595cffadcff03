"""The URLs of the robots app."""

from django.urls import path

from robots import views

urlpatterns = [
    path("robot/distribution", views.AssignmentViews.as_view({"post": "create"})),
    path("robot/undistributable", views.UnassignableViews.as_view({"post": "create"})),
    path("robot/show", views.RobotViews.as_view({"get": "show"})),
    path("user/robots", views.RobotViews.as_view({"get": "list"})),
]
