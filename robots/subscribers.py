"""What robots hear of gateway events."""

import re
import unicodedata
from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts import completion
from accounts.models import User
from accounts.profiles import register_contact
from integrations.gateway.payloads import address_in, parts_of, shown, text_in
from integrations.gateway.subscriptions import BadEvent, Event, EventIgnored, subscribe, word
from robots import friendships, menu
from robots.models import Robot
from robots.outbox import writing

WECHAT_SINCE = 2011  # an earlier moment is no moment
# Python's own reading also takes weeks and days of a year, and a day without a time.
_A_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}", re.ASCII)


def robot_named(event: Event, name: str = "robot_id") -> Robot:
    """The robot that an event is about; an unknown one makes the event ignored."""
    robot = Robot.objects.filter(code=word(event.body, name)).first()
    if robot is None:
        raise EventIgnored("机器人未知")
    return robot


def moment(event: Event, name: str) -> datetime:
    """When the gateway says it happened (Shanghai time); when we heard of it, if it does not say."""
    told = word(event.body, name, needed=False)
    if not told:
        return event.received_at
    try:
        parsed = parse_datetime(told) if _A_MOMENT.match(told) else None
    except ValueError:
        parsed = None
    if parsed is None or parsed.year < WECHAT_SINCE:
        raise BadEvent("时间格式应为 YYYY-MM-DD HH:MM:SS", field=name)
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.get_default_timezone())
    return min(aware, event.received_at)  # nothing has happened in the future


@subscribe("robot_added")
def meet(event: Event) -> None:
    """Somebody added a robot: they become a user, and get the link to complete their profile."""
    robot = robot_named(event)
    user = register_contact(
        user_code=word(event.body, "user_id"),
        nickname=shown(event.body, "nickname"),
        avatar_url=address_in(event.body, "avatar"),
        channel=robot.channel,
    )
    is_new_friend = friendships.befriend(robot=robot, user=user, at=moment(event, "add_time"))
    if is_new_friend and user.completed_at is None:
        _send_completion_link(robot, user, event)


@subscribe("private_message")
def listen(event: Event) -> None:
    """A user speaks to a robot: whoever claims it answers. Blocked users talk to nobody."""
    robot = robot_named(event)
    user = User.objects.filter(code=word(event.body, "user_id"), blocked_at=None).first()
    if user is None:
        raise EventIgnored("用户未知或已被封")
    parts, words = parts_of(event.body), unicodedata.normalize("NFKC", text_in(event.body) or "").strip()
    said = menu.IncomingMessage(user, robot, parts, words, event_id=event.event_id, at=event.received_at)
    if not menu.dispatch(said):
        raise EventIgnored("没有人认领")


def _send_completion_link(robot: Robot, user: User, event: Event) -> None:
    url = completion.new_link(user, at=event.received_at)
    writing.message_user(
        robot=robot,
        user_code=str(user.code),
        content=writing.text(f"你好，我是{robot.name}！点击链接完善资料，领取新人红包：{url}"),
        cause=f"robot_added:{event.event_id}",
        at=event.received_at,
    )
