"""The user's groups, ratings from the rating system, and cancelling by outside systems."""

from typing import ClassVar

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in
from config.api import reading
from config.api.actors import actor
from config.api.fields import EmptyStringField
from config.api.paging import listed
from config.api.permissions import IsNotBlocked, IsUser, needs
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code, NotFound
from config.models import Scope
from config.platform.dates import day_of
from groups import binding, cancel_jobs, group_list, nicknames, stars
from groups.models import CancelReason, Group
from groups.serializers import GroupsFilter, GroupsToCancel, ListedGroup, RatingBatch, RobotNickname
from groups.views.mentions import own_group


class GroupViews(OperationViews[Group]):
    """The groups to which the user added a robot. Signed-in users."""

    permission_classes = (IsUser,)
    confirms_user = ("list",)

    @operation("用户群列表", query=GroupsFilter, answer=ListedGroup(many=True), paged=True)
    def list(self, request: Request) -> Response:
        status = reading.query(request, GroupsFilter)["status"]
        if status == 1:
            return listed(request, group_list.rated_groups, ListedGroup, day_of(timezone.now()))
        return listed(request, group_list.unrated_groups if status == 0 else None, ListedGroup)


class StarViews(OperationViews[Group]):
    """Ratings of groups, a whole batch or none. The rating system."""

    permission_classes = (needs(Scope.STARS_WRITE, "groups.change_group"),)

    @operation("群星级评定", body=RatingBatch, description="整批生效或整批不生效；出错时说明是哪一项。")
    def create(self, request: Request) -> Response:
        rows = reading.body(request, RatingBatch)["data"]
        ratings = [stars.Rating(row["groupId"], row["star"], row["state"]) for row in rows]
        stars.rate(ratings, at=timezone.now())
        return Response(None)


class ServedGroupViews(OperationViews[Group]):
    """A group that a robot serves for the user. Signed-in users who are not blocked."""

    permission_classes = (IsUser, IsNotBlocked)
    writing_reads = ("pull_back",)
    limits: ClassVar = {"rename_robot": ("robot_name",)}

    @operation(
        "修改机器人在群内昵称",
        body=RobotNickname,
        answer=serializers.CharField(),
        codes=[Code.NOT_FOUND, Code.OUTSIDE_FAILED, Code.SENSITIVE_WORD],
    )
    def rename_robot(self, request: Request, reference: str) -> Response:
        nickname = reading.body(request, RobotNickname)["remark_name"]
        nicknames.rename_robot(group=own_group(request, reference), nickname=nickname)
        return Response("SUCCESS")

    @operation(
        "请求拉回机器人",
        answer=serializers.CharField(),
        codes=[Code.NOT_FOUND],
        description="机器人私信请用户把它拉回群；返回机器人的二维码图片地址。",
    )
    def pull_back(self, request: Request, reference: str) -> Response:
        group = Group.objects.to_pull_back_for(signed_in(request)).by_reference(reference).first()
        if group is None:
            raise NotFound
        return Response(binding.request_pull_back(group=group, at=timezone.now()))


class CancelViews(OperationViews[Group]):
    """Cancelling of groups, accepted at once and done in the background. Outside systems."""

    permission_classes = (needs(Scope.GROUPS_CANCEL, "groups.cancel_group"),)

    @operation(
        "批量注销群",
        body=GroupsToCancel,
        answer=EmptyStringField(),
        description="立即受理，后台分批注销；未知或已注销的群跳过。",
    )
    def create(self, request: Request) -> Response:
        params = reading.body(request, GroupsToCancel)
        reason = CancelReason(params["cancel_reason"])
        cancel_jobs.request_cancelling(
            references=params["group_ids"], reason=reason, by=actor(request), at=timezone.now()
        )
        return Response("")
