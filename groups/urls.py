"""Paths of groups. Fixed paths such as `groups/star` come before `groups/<reference>/…`, which would match them."""

from django.urls import path

from groups.views import apprentices, groups, mentions, owned

rename = groups.ServedGroupViews.as_view({"post": "rename_robot", "put": "rename_robot"})

urlpatterns = [
    path("groups", groups.GroupViews.as_view({"get": "list"})),
    path("groups/star", groups.StarViews.as_view({"post": "create"})),
    path("groups/delete", groups.CancelViews.as_view({"post": "create"})),
    path("groups/statistics", owned.OwnedGroupViews.as_view({"get": "statistics"})),
    path("groups/welcome", owned.OwnedGroupViews.as_view({"get": "welcomes"})),
    path("groups/<str:reference>/robot_name", rename),
    path("groups/<str:reference>/welcome", owned.OwnedGroupViews.as_view({"post": "set_welcome"})),
    path("groups/<str:reference>/msg/<str:message_id>/context", mentions.MentionViews.as_view({"get": "context"})),
    path("owner/group/verify", owned.OwnedGroupViews.as_view({"get": "verify"})),
    path("owner/groups", owned.OwnedGroupViews.as_view({"get": "list"})),
    path("pullback/<str:reference>", groups.ServedGroupViews.as_view({"get": "pull_back"})),
    path("user/groups/disciples", apprentices.ApprenticeViews.as_view({"get": "counts"})),
    path("user/apprentice", apprentices.ApprenticeViews.as_view({"get": "list"})),
    path("apprentice/awakening", apprentices.ApprenticeViews.as_view({"post": "remind"})),
    path("alt/switch", mentions.MentionSwitchViews.as_view({"get": "show", "put": "update"})),
    path("alt_msg", mentions.MentionViews.as_view({"get": "list"})),
    path("alt_msg/reply", mentions.MentionViews.as_view({"post": "reply"})),
]
