"""Assigning robots."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in
from accounts.models import User
from accounts.wechat_proof import require_proof
from config.api import reading
from config.api.authentication import PROOF_AUTHENTICATION
from config.api.fields import Blank
from config.api.permissions import Anyone, IsUser, needs
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code, NotFound
from config.models import Scope
from robots import pool, scans
from robots.models import Robot
from robots.serializers import AssignedRobot, OwnRobot, RobotNamed, ScanPage, ShownRobot


class DistributionViews(OperationViews[Robot]):
    """The scan page: a visitor vouched for by WeChat gets a robot."""

    authentication_classes = PROOF_AUTHENTICATION
    permission_classes = (Anyone,)
    proof_needed = True

    @operation(
        "分配机器人",
        body=ScanPage,
        answer=AssignedRobot,
        codes=[Code.UNAUTHENTICATED, Code.NOT_FOUND, Code.NO_ROBOT_FREE],
        description="同一 union_id 总是得到同一个机器人,直到它被移除或封号。需要微信授权证明。",
    )
    def create(self, request: Request) -> Response:
        given = reading.body(request, ScanPage)
        require_proof(request, given["union_id"])
        robot = scans.distribute(
            union_id=given["union_id"],
            open_id=given["open_id"],
            inviter=_inviter(given["sharing_user_id"]),
            channel=given["channel"] or "",
            at=timezone.now(),
        )
        return Response(AssignedRobot(robot).data)


class RobotViews(OperationViews[Robot]):
    """The user's robots."""

    permission_classes = (IsUser,)

    @operation(
        "获取用户当前绑定机器人",
        answer=ShownRobot,
        codes=[Code.NO_ROBOT_FREE],
        description="已添加的机器人里名额最多的;没有则为最近分配的,再没有则新分配一个。",
    )
    def show(self, request: Request) -> Response:
        return Response(ShownRobot(scans.robot_for(signed_in(request), at=timezone.now())).data)

    @operation("用户已分配的机器人列表", answer=OwnRobot(many=True))
    def list(self, request: Request) -> Response:
        return Response(OwnRobot(Robot.objects.met_by(signed_in(request)), many=True).data)


class UndistributableViews(OperationViews[Robot]):
    """Outside systems take a robot off assignment."""

    permission_classes = (needs(Scope.ROBOTS_WRITE, "robots.assign_robot"),)

    @operation("将机器人置为不可分配", body=RobotNamed, answer=Blank(), codes=[Code.NOT_FOUND])
    def create(self, request: Request) -> Response:
        robot = get_object_or_404(Robot.objects.by_reference(reading.body(request, RobotNamed)["robot_id"]))
        pool.stop_assigning(robot)
        return Response("")


def _inviter(reference: str | None) -> User | None:
    """Who shared the page; a name that nobody has is 1404."""
    if not reference:
        return None
    inviter = User.objects.by_reference(reference).first()
    if inviter is None:
        raise NotFound("sharing_user_id: 分享人不存在")
    return inviter
