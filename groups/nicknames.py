"""The robot's nickname in a group, which is set at the gateway first and then stored."""

from config.errors import OutsideFailed
from groups.models import Group
from integrations.gateway.calls import robot_nickname
from integrations.gateway.client import RobotGateway
from integrations.http import OutsideError
from integrations.moderation.words import require_clean


class NicknameNotChanged(OutsideFailed):
    message = "机器人昵称没有修改成功，请稍后再试"


def rename_robot(*, group: Group, nickname: str) -> None:
    """Set the robot's nickname in the group. Raises 2003 for a sensitive word, 1101 when the gateway fails."""
    require_clean(nickname)
    call = robot_nickname(robot=group.robot.code, group=group.code, nickname=nickname)
    try:
        RobotGateway.from_settings().call(call)
    except OutsideError as error:
        raise NicknameNotChanged from error
    Group.objects.filter(pk=group.pk).update(robot_nickname=nickname)
