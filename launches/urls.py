"""Paths of launches and mass messages. `tasks/messages` stands before `tasks/:id`, which would match it."""

from django.urls import path

from launches.views import launches, mass_messages

urlpatterns = [
    path("launch/switch", launches.SwitchViews.as_view({"get": "list", "put": "update"})),
    path("launch/history", launches.HistoryViews.as_view({"get": "list"})),
    path("launch/history/detail", launches.HistoryViews.as_view({"get": "show"})),
    path("task/receive", launches.ReceiveViews.as_view({"post": "create"})),
    path("tasks/messages", mass_messages.MassMessageViews.as_view({"get": "list"})),
    path(
        "tasks/<str:task_id>",
        mass_messages.MassMessageViews.as_view({"get": "draft", "put": "complete", "delete": "recall"}),
    ),
    path("tasks/<str:task_id>/message", mass_messages.MassMessageViews.as_view({"get": "show"})),
]
