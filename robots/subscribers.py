"""The handlers of the gateway events about robots and private messages."""

import unicodedata

from accounts import completion
from accounts.models import User
from accounts.profiles import register_contact
from integrations.gateway.events import PrivateMessageReceived, RobotAdded
from integrations.gateway.payloads import text_of
from integrations.gateway.subscriptions import Event, EventIgnored, subscribe
from robots import friendships, menu
from robots.models import Robot, Source, SourceType
from robots.outbox import writing
from robots.roster import known_robot


@subscribe(RobotAdded)
def meet(event: Event[RobotAdded]) -> None:
    """Register the person who added a robot as a user, and send the link to complete the profile."""
    robot = known_robot(event.body.robot_code)
    user = register_contact(
        user_code=event.body.user_code,
        nickname=event.body.nickname,
        avatar_url=event.body.avatar_url,
        channel=robot.channel,
    )
    is_new_friend = friendships.befriend(robot=robot, user=user, at=event.moment(event.body.added_at))
    if is_new_friend and user.completed_at is None:
        _send_completion_link(robot, user, event)


@subscribe(PrivateMessageReceived)
def listen(event: Event[PrivateMessageReceived]) -> None:
    """Pass a private message on to the handlers of the menu. Messages of blocked users are ignored."""
    robot = known_robot(event.body.robot_code)
    user = User.objects.filter(code=event.body.user_code, blocked_at=None).first()
    if user is None:
        raise EventIgnored("用户未知或已被封")
    parts = event.body.parts
    text = unicodedata.normalize("NFKC", text_of(parts)).strip()
    message = menu.IncomingMessage(user, robot, parts, text, event_id=event.event_id, at=event.received_at)
    if not menu.dispatch(message):
        raise EventIgnored("没有人认领")


def _send_completion_link(robot: Robot, user: User, event: Event[RobotAdded]) -> None:
    url = completion.new_link(user, at=event.received_at)
    writing.message_user(
        robot=robot,
        user_code=str(user.code),
        content=writing.text(f"你好，我是{robot.name}！点击链接完善资料，领取新人红包：{url}"),
        source=Source(SourceType.ROBOT_ADDED, event.event_id),
        at=event.received_at,
    )
