"""The groups that the user owns in WeChat: list, yesterday's statistics, welcome message."""

from datetime import timedelta
from typing import ClassVar

from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in
from config.api import reading
from config.api.paging import listed
from config.api.permissions import IsNotBlocked, IsUser
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code
from config.platform.dates import day_of
from groups import group_list, welcome
from groups.models import Group
from groups.models.group import GroupQuerySet
from groups.serializers import GroupNumbers, NewWelcome, OwnedGroup, Welcome


def _owned(request: Request) -> GroupQuerySet:
    return Group.objects.owned_in_wechat_by(signed_in(request))


class OwnedGroupViews(OperationViews[Group]):
    """Groups owned in WeChat. Signed-in users who are not blocked; lists take `page_size=-1` for all rows."""

    permission_classes = (IsUser, IsNotBlocked)
    limits: ClassVar = {"set_welcome": ("moderated",)}
    confirms_user = ("list", "statistics", "welcomes")

    @operation("用户是否有群主群", answer=serializers.BooleanField())
    def verify(self, request: Request) -> Response:
        return Response(_owned(request).exists())

    @operation("群主群列表", answer=OwnedGroup(many=True), paged=True)
    def list(self, request: Request) -> Response:
        return listed(request, group_list.owned_groups, OwnedGroup, may_ask_all=True)

    @operation("群主群数据", answer=GroupNumbers(many=True), paged=True, description="昨天的数据。")
    def statistics(self, request: Request) -> Response:
        yesterday = day_of(timezone.now()) - timedelta(days=1)
        return listed(request, group_list.numbers_of_owned_groups, GroupNumbers, yesterday, may_ask_all=True)

    @operation("查询用户群欢迎语", answer=Welcome(many=True), paged=True)
    def welcomes(self, request: Request) -> Response:
        return listed(request, group_list.owned_groups, Welcome, may_ask_all=True)

    @operation(
        "修改用户群欢迎语",
        body=NewWelcome,
        answer=serializers.CharField(),
        codes=[Code.NOT_FOUND, Code.SENSITIVE_WORD],
        description="空字符串表示关闭。",
    )
    def set_welcome(self, request: Request, reference: str) -> Response:
        text = reading.body(request, NewWelcome)["welcome_msg"]
        group = get_object_or_404(_owned(request).by_reference(reference))
        welcome.set_welcome(group=group, text=text)
        return Response("SUCCESS")
