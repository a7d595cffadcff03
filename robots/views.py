"""The views of the robots API."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in
from accounts.referral import find_inviter
from accounts.throttles import ProofThrottle
from accounts.wechat_proof import require_proof
from config.api import reading
from config.api.authentication import PROOF_AUTHENTICATION
from config.api.fields import EmptyStringField
from config.api.permissions import Anyone, IsUser, needs
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code
from config.models import Scope
from robots import pool, scans
from robots.models import Robot
from robots.serializers import AssignedRobot, OwnRobot, RobotNamed, ScanPage, ShownRobot


class AssignmentViews(OperationViews[Robot]):
    """The scan page, which assigns a robot to a visitor with a WeChat proof."""

    authentication_classes = PROOF_AUTHENTICATION
    permission_classes = (Anyone,)
    throttle_classes = (ProofThrottle,)
    proof_needed = True

    @operation(
        "分配机器人",
        body=ScanPage,
        answer=AssignedRobot,
        codes=[Code.UNAUTHENTICATED, Code.NO_ROBOT_FREE],
        description="同一 union_id 总是得到同一个机器人，直到它被移除或封号。需要微信授权证明，open_id 以证明为准。"
        "sharing_user_id 不是现有用户时视为没有邀请人。",
    )
    def create(self, request: Request) -> Response:
        given = reading.body(request, ScanPage)
        proof = require_proof(request, given["union_id"])
        robot = scans.assign_to_visitor(
            union_id=given["union_id"],
            open_id=proof.open_id if proof else given["open_id"],
            inviter=find_inviter(given["sharing_user_id"]),
            channel=given["channel"],
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
        description="已添加的机器人里名额最多的；没有则为最近分配的，再没有则新分配一个。",
    )
    def show(self, request: Request) -> Response:
        return Response(ShownRobot(scans.robot_for(signed_in(request), at=timezone.now())).data)

    @operation("用户已分配的机器人列表", answer=OwnRobot(many=True))
    def list(self, request: Request) -> Response:
        return Response(OwnRobot(Robot.objects.met_by(signed_in(request)), many=True).data)


class UnassignableViews(OperationViews[Robot]):
    """The operation by which outside systems make a robot unassignable."""

    permission_classes = (needs(Scope.ROBOTS_WRITE, "robots.assign_robot"),)

    @operation("将机器人置为不可分配", body=RobotNamed, answer=EmptyStringField(), codes=[Code.NOT_FOUND])
    def create(self, request: Request) -> Response:
        robot = get_object_or_404(Robot.objects.by_reference(reading.body(request, RobotNamed)["robot_id"]))
        pool.stop_assigning(robot)
        return Response("")
