"""The handlers of the gateway events about robots and private messages."""

import re
import unicodedata
from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts import completion
from accounts.models import User
from accounts.profiles import register_contact
from integrations.gateway.payloads import address_in, display_text, parts_of, text_in
from integrations.gateway.subscriptions import BadEvent, Event, EventIgnored, subscribe, text_field
from robots import friendships, menu
from robots.models import Robot, Source, SourceType
from robots.outbox import writing

WECHAT_SINCE = 2011  # the year of WeChat's release: no event is older
# Django's parser also accepts weeks, days of the year, and days without a time.
_TIME_FORMAT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}", re.ASCII)


def robot_named(event: Event, name: str = "robot_id") -> Robot:
    """Return the robot whose code the field has. Raises EventIgnored when it is unknown."""
    robot = Robot.objects.filter(code=text_field(event.body, name)).first()
    if robot is None:
        raise EventIgnored("机器人未知")
    return robot


def moment(event: Event, name: str) -> datetime:
    """Return the moment of an event by this field (Shanghai time), the moment of its receipt without it."""
    text = text_field(event.body, name, required=False)
    if not text:
        return event.received_at
    try:
        parsed = parse_datetime(text) if _TIME_FORMAT.match(text) else None
    except ValueError:
        parsed = None
    if parsed is None or parsed.year < WECHAT_SINCE:
        raise BadEvent("时间格式应为 YYYY-MM-DD HH:MM:SS", field=name)
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.get_default_timezone())
    return min(aware, event.received_at)  # the gateway's clock may be fast


@subscribe("robot_added")
def meet(event: Event) -> None:
    """Register the person who added a robot as a user, and send the link to complete the profile."""
    robot = robot_named(event)
    user = register_contact(
        user_code=text_field(event.body, "user_id"),
        nickname=display_text(event.body, "nickname"),
        avatar_url=address_in(event.body, "avatar"),
        channel=robot.channel,
    )
    is_new_friend = friendships.befriend(robot=robot, user=user, at=moment(event, "add_time"))
    if is_new_friend and user.completed_at is None:
        _send_completion_link(robot, user, event)


@subscribe("private_message")
def listen(event: Event) -> None:
    """Pass a private message on to the handlers of the menu. Messages of blocked users are ignored."""
    robot = robot_named(event)
    user = User.objects.filter(code=text_field(event.body, "user_id"), blocked_at=None).first()
    if user is None:
        raise EventIgnored("用户未知或已被封")
    parts, text = parts_of(event.body), unicodedata.normalize("NFKC", text_in(event.body) or "").strip()
    message = menu.IncomingMessage(user, robot, parts, text, event_id=event.event_id, at=event.received_at)
    if not menu.dispatch(message):
        raise EventIgnored("没有人认领")


def _send_completion_link(robot: Robot, user: User, event: Event) -> None:
    url = completion.new_link(user, at=event.received_at)
    writing.message_user(
        robot=robot,
        user_code=str(user.code),
        content=writing.text(f"你好，我是{robot.name}！点击链接完善资料，领取新人红包：{url}"),
        source=Source(SourceType.ROBOT_ADDED, event.event_id),
        at=event.received_at,
    )
