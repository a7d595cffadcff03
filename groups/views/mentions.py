"""Mentions in the user's groups."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in, token_user
from accounts.models import User
from accounts.queries import UserStatement
from config.api import reading
from config.api.fields import SwitchField
from config.api.paging import listed
from config.api.permissions import IsNotBlocked, IsUser
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code
from config.platform.prepared import Update, prepared
from groups import mentions
from groups.models import Group, Mention
from groups.serializers import ContextMessage, ListedMention, MentionReply, MentionSwitch


def own_group(request: Request, reference: str) -> Group:
    """Return a group that is served for this user. Raises Http404 for any other group."""
    groups = Group.objects.served_for(signed_in(request)).select_related("robot", "user")
    group: Group = get_object_or_404(groups.by_reference(reference))
    return group


@UserStatement
def _switch(user_id: UUID) -> QuerySet[Any, Any]:
    return User.objects.filter(pk=user_id).values_list("mentions_enabled")


@prepared
def _set_switch(user_id: UUID, is_on: bool) -> Update:
    return Update(User.objects.filter(pk=user_id), {"mentions_enabled": is_on})


class MentionSwitchViews(OperationViews[User]):
    """The switch for notifications of mentions. Signed-in users who are not blocked."""

    permission_classes = (IsUser, IsNotBlocked)
    confirms_user = ("show", "update")

    @operation("获取@消息通知开关", answer=SwitchField())
    def show(self, request: Request) -> Response:
        [(is_on, _)] = _switch.rows(token_user(request))
        return Response(int(is_on))

    @operation("设置@消息通知开关", body=MentionSwitch, answer=SwitchField())
    def update(self, request: Request) -> Response:
        is_on = reading.body(request, MentionSwitch)["alt_switch"]
        _set_switch.write(token_user(request).pk, is_on)
        return Response(int(is_on))


class MentionViews(OperationViews[Mention]):
    """The mentions of the last three days, the messages around them, and replies. Signed-in users who are not blocked."""

    permission_classes = (IsUser, IsNotBlocked)
    confirms_user = ("list",)
    limits: ClassVar = {"reply": ("moderated", "mention_replies_day")}

    @operation("@消息列表", answer=ListedMention(many=True), paged=True, description="最近三天。")
    def list(self, request: Request) -> Response:
        return listed(request, mentions.listed_mentions, ListedMention, timezone.now() - mentions.LISTED_FOR)

    @operation(
        "@消息上下文",
        answer=ContextMessage(many=True),
        codes=[Code.NOT_FOUND],
        description="前后各至多 20 条，旧的在前；读过即标为已读。is_master 表示机器人或群主自己说的。",
    )
    def context(self, request: Request, reference: str, message_id: str) -> Response:
        group = own_group(request, reference)
        around = mentions.context_of(group=group, message_id=message_id, at=timezone.now())
        return Response(ContextMessage(around, many=True).data)

    @operation("回复@消息", body=MentionReply, codes=[Code.NOT_FOUND, Code.SENSITIVE_WORD])
    def reply(self, request: Request) -> Response:
        params: dict[str, Any] = reading.body(request, MentionReply)
        mentions.reply_to_mention(
            group=own_group(request, params["group_code"]),
            member_code=params["mem_code"],
            text=params["content"],
            at=timezone.now(),
        )
        return Response(None)
