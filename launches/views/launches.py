"""Launches: received from the launch system, switched on and off and listed by users."""

from typing import ClassVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in
from config.api import reading
from config.api.actors import actor
from config.api.fields import SwitchField
from config.api.paging import listed
from config.api.permissions import IsNotBlocked, IsUser, needs
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import BadRequest, Code
from config.models import Scope
from launches import launch_history, launch_intake, launch_switches
from launches.models import Launch
from launches.serializers import LaunchDetail, LaunchNamed, ListedLaunch, NewLaunch, WantedSwitch

MOST_SWITCHES = 500


class ReceiveViews(OperationViews[Launch]):
    """Receiving a launch. The launch system."""

    permission_classes = (needs(Scope.LAUNCHES_WRITE, "launches.receive_launch"),)

    @operation(
        "群投放",
        body=NewLaunch,
        codes=[Code.CONFLICT],
        description="同一 taskId 再次提交相同内容不产生变化，内容或群不同则 1409；每个群的结果都会回报给投放系统。",
    )
    def create(self, request: Request) -> Response:
        params = reading.body(request, NewLaunch)
        launch_intake.receive_launch(
            task_id=params["taskId"],
            references=params["groupIds"],
            items=params["content"]["items"],
            by=actor(request),
            at=timezone.now(),
        )
        return Response(None)


class HistoryViews(OperationViews[Launch]):
    """Launches that went to the user's groups. Signed-in users who are not blocked."""

    permission_classes = (IsUser, IsNotBlocked)
    confirms_user: ClassVar = ("list",)

    @operation("投放历史", answer=ListedLaunch(many=True), paged=True)
    def list(self, request: Request) -> Response:
        return listed(request, launch_history.listed_launches, ListedLaunch)

    @operation("投放历史详情", query=LaunchNamed, answer=LaunchDetail, codes=[Code.NOT_FOUND])
    def show(self, request: Request) -> Response:
        task_id = reading.query(request, LaunchNamed)["task_id"]
        return Response(LaunchDetail(launch_history.launch_of_user(signed_in(request), task_id)).data)


class SwitchViews(HistoryViews):
    """Launch switches. In the document one path has both: PUT sets switches, GET lists the history."""

    limits: ClassVar = {"update": ("launch_switch",)}

    @operation(
        "设置投放开关",
        body=WantedSwitch,
        or_list=True,
        answer=SwitchField(),
        codes=[Code.OUTSIDE_FAILED, Code.NOT_FOUND],
        description="一个对象，或对象数组（全部生效或全部不生效）；返回最后一个的状态。",
    )
    def update(self, request: Request) -> Response:
        many = isinstance(request.data, list)
        if many and not 1 <= len(request.data) <= MOST_SWITCHES:
            raise BadRequest(f"每次 1 到 {MOST_SWITCHES} 个群", field="code")
        params = reading.body(request, WantedSwitch, many=many)
        rows = params if many else [params]
        requests = [launch_switches.SwitchRequest(row["code"], row["rcv_task_flag"]) for row in rows]
        is_on = launch_switches.set_switches(user=signed_in(request), requests=requests, at=timezone.now())
        return Response(int(is_on))
