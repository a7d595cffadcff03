"""Assigning robots."""

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.wechat_proof import require_proof
from config.api import reading
from config.api.permissions import Anyone
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code, NotFound
from robots import scans
from robots.models import Robot
from robots.serializers import AssignedRobot, ScanPage


class DistributionViews(OperationViews[Robot]):
    """The scan page: a visitor vouched for by WeChat gets a robot."""

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


def _inviter(reference: str | None) -> User | None:
    """Who shared the page; a name that nobody has is 1404."""
    if not reference:
        return None
    inviter = User.objects.by_reference(reference).first()
    if inviter is None:
        raise NotFound("sharing_user_id: 分享人不存在")
    return inviter
