"""Subscribers of gateway events about groups."""

from collections.abc import Mapping, Sequence

from accounts.models import User
from groups import binding, cancelling, members, messages, robot_replacement, welcome
from groups.models import CancelReason, Group
from integrations.gateway.payloads import address_in, code_in, display_text
from integrations.gateway.subscriptions import (
    BadEvent,
    Event,
    EventIgnored,
    subscribe,
    subscribe_in_bulk,
    text_field,
)
from robots.models import Robot, Source, SourceType
from robots.outbox import writing
from robots.subscribers import moment, robot_named


def _user(event: Event) -> User | None:
    return User.objects.filter(code=text_field(event.body, "user_id")).first()


def _group(code: str) -> Group:
    """Return the active group of that code. Raises EventIgnored when there is none."""
    group = Group.objects.active().select_related("robot", "user").filter(code=code).first()
    if group is None:
        raise EventIgnored("群未绑定")
    return group


def _group_served_by_robot(event: Event) -> Group:
    """Return the active group of the event. Raises EventIgnored when another robot serves it."""
    group = _group(text_field(event.body, "group_id"))
    if group.robot.code != text_field(event.body, "robot_id"):
        raise EventIgnored("群由另一个机器人服务")
    return group


@subscribe("wait_for_bind")
def on_wait_for_bind(event: Event) -> None:
    binding.request_binding(
        robot=robot_named(event),
        user=_user(event),
        group_code=text_field(event.body, "group_id"),
        name=display_text(event.body, "name", max_length=200),
        source=Source(SourceType.WAIT_FOR_BIND, event.event_id),
        at=event.received_at,
    )


@subscribe("bind_group_success")
def on_bound(event: Event) -> None:
    binding.bind(
        robot=robot_named(event),
        user=_user(event),
        group_code=text_field(event.body, "group_id"),
        name=display_text(event.body, "name", max_length=200),
        bound_at=moment(event, "bind_time"),
        source=Source(SourceType.BIND_GROUP_SUCCESS, event.event_id),
        at=event.received_at,
    )


@subscribe("robot_join_failed")
def on_join_failed(event: Event) -> None:
    """Inform the user that the robot could not join, with the gateway's reason."""
    robot, user = robot_named(event), _user(event)
    if user is None or user.code is None or user.is_blocked:
        raise EventIgnored("用户未知或已被封")
    if Group.objects.active().filter(code=text_field(event.body, "group_id"), robot=robot).exists():
        raise EventIgnored("群已绑定")  # an older failure, or the gateway tried again by itself
    name = display_text(event.body, "name", max_length=200)
    reason = display_text(event.body, "reason", max_length=200)
    writing.message_user(
        robot=robot,
        user_code=user.code,
        content=writing.text(f"群「{name}」没有绑定成功：{reason or '机器人没能进群'}，请稍后再拉一次。"),
        source=Source(SourceType.ROBOT_JOIN_FAILED, event.event_id),
        at=event.received_at,
    )


@subscribe("robot_kicked")
def on_kicked(event: Event) -> None:
    group = _group_served_by_robot(event)
    at = moment(event, "kick_time")
    if at < group.last_bound_at:
        raise EventIgnored("早于这次绑定")
    cancelling.cancel_groups(
        group_ids=[group.pk], reason=CancelReason.ROBOT_KICKED, by="网关", at=max(at, group.bound_at)
    )


@subscribe("unbind_group_success")
def on_unbound(event: Event) -> None:
    """Cancel a group that was bound again just before an unbinding that we had requested.

    The gateway unbinds only on request, so the group is usually cancelled already. A late report of an unbinding of an
    earlier binding cancels nothing.
    """
    group = _group_served_by_robot(event)
    if not binding.requested_unbinding(group):
        raise EventIgnored("这次绑定以后没有要求过解绑")
    cancelling.cancel_groups(group_ids=[group.pk], reason=CancelReason.OPERATOR, by="网关", at=event.received_at)


@subscribe("group_info")
def on_info(event: Event) -> None:
    members.update_info(group=_group(text_field(event.body, "id")), body=event.body)


@subscribe("group_members")
def on_members(event: Event) -> None:
    if not isinstance(event.body, list):
        raise BadEvent("应为成员数组", field="body")
    rows = [row for row in event.body if code_in(row, "group_id") and code_in(row, "user_id")]
    codes = {code_in(row, "group_id") for row in rows}
    if len(codes) != 1:
        raise BadEvent("应为同一个群的成员", field="group_id")
    members.replace_members(group=_group(codes.pop()), rows=rows, at=event.received_at)


@subscribe("join_group")
def on_join(event: Event) -> None:
    """Record a new member, and send the group's welcome message."""
    group = _group(text_field(event.body, "group_id"))
    at, code = moment(event, "join_time"), text_field(event.body, "user_id")
    is_new = members.record_joining(
        group=group,
        code=code,
        nickname=display_text(event.body, "nickname"),
        avatar_url=address_in(event.body, "avatar"),
        at=at,
    )
    if not is_new:
        raise EventIgnored("这次进群已记录")
    if code != group.robot.code:
        welcome.send_welcome(
            group=group,
            member_code=code,
            source=Source(SourceType.JOIN_GROUP, event.event_id),
            at=event.received_at,
        )


@subscribe("drop_out_group")
def on_leave(event: Event) -> None:
    group = _group(text_field(event.body, "group_id"))
    if not members.record_leaving(
        group=group, code=text_field(event.body, "user_id"), at=moment(event, "join_time")
    ):
        raise EventIgnored("这次退群已记录")


@subscribe_in_bulk("group_message")
def on_messages(events: Sequence[Event]) -> Mapping[str, str]:
    """Store messages for a week and notify owners of mentions. Returns why events are ignored, by event id."""
    received, ignored = _parse_messages(events)
    groups = messages.served_groups(message.group_code for message in received)
    ours = [message for message in received if message.group_code in groups]
    new = messages.store_messages(ours, groups, at=max(event.received_at for event in events)) if ours else set()
    ignored |= {message.event_id: "群未绑定" for message in received if message.group_code not in groups}
    return ignored | {message.event_id: "消息已收到过" for message in ours if message.event_id not in new}


def _parse_messages(events: Sequence[Event]) -> tuple[list[messages.ReceivedMessage], dict[str, str]]:
    """Return the valid messages, and why the other events are ignored, by event id."""
    received, ignored = [], {}
    for event in events:
        try:
            received.append(_parse_message(event))
        except BadEvent as reason:
            ignored[event.event_id] = str(reason)
    return received, ignored


def _parse_message(event: Event) -> messages.ReceivedMessage:
    return messages.ReceivedMessage(
        event_id=event.event_id,
        group_code=text_field(event.body, "group_id"),
        sender_code=text_field(event.body, "user_id"),
        message_no=text_field(event.body, "message_no", required=False),
        body=event.body,
        sent_at=moment(event, "send_time"),
        arrival=event.number,
    )


@subscribe("abnormal_robot")
def on_banned(event: Event) -> None:
    """Ban a robot that WeChat banned. It stands here and not in robots.subscribers, because groups are locked first."""
    robot_replacement.ban_robot(robot_named(event), at=event.received_at)


@subscribe("robot_added")
def on_added(event: Event) -> str | None:
    """Notify an owner of a banned robot's groups, whom no robot could reach before, of the cancelled groups.

    It runs after `robots.subscribers`, which sends the link to complete the profile first.
    """
    user = _user(event)
    source = Source(SourceType.ROBOT_ADDED, event.event_id)
    if user and robot_replacement.notify_owner_with_new_robot(
        user=user, robot=robot_named(event), source=source, at=event.received_at
    ):
        return "已告知换机器人"
    return None


@subscribe("abnormal_robot_replaced")
def on_replaced(event: Event) -> str:
    code = text_field(event.body, "replace_robot_id")
    robot = Robot.objects.filter(code=code).first()
    picture = address_in(event.body, "qrcode")
    banned_code, at = code_in(event.body, "robot_id"), event.received_at
    is_recorded = robot is not None and bool(
        robot_replacement.record_replacement(robot, banned_code=banned_code, at=at)
    )
    if not is_recorded and not robot_replacement.awaiting_replacement_notice().exists():
        raise EventIgnored("没有等待通知的群主")  # an operator can have it handled again
    notified = robot_replacement.notify_owners(
        name=robot.name if robot else code,
        qr_code_url=picture or (robot.qr_code_url if robot else ""),
        source=Source(SourceType.ABNORMAL_ROBOT_REPLACED, event.event_id),
        at=at,
    )
    return str(notified)
