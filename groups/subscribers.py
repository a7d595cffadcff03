"""Subscribers of gateway events about groups."""

from collections.abc import Mapping, Sequence

from accounts.models import User
from groups import binding, cancelling, members, messages, robot_replacement, welcome
from groups.models import CancelReason, Group
from integrations.gateway.events import (
    GroupBound,
    GroupDescribed,
    GroupMessageReceived,
    GroupUnbound,
    MemberJoined,
    MemberLeft,
    MembersListed,
    RobotAdded,
    RobotBanned,
    RobotInvited,
    RobotJoinFailed,
    RobotKicked,
    RobotReplaced,
)
from integrations.gateway.subscriptions import Event, EventIgnored, subscribe, subscribe_in_bulk
from robots.models import Robot, Source, SourceType
from robots.outbox import writing
from robots.roster import known_robot


def _user(code: str) -> User | None:
    return User.objects.filter(code=code).first()


def _group(code: str) -> Group:
    """Return the active group of that code. Raises EventIgnored when there is none."""
    group = Group.objects.active().select_related("robot", "user").filter(code=code).first()
    if group is None:
        raise EventIgnored("群未绑定")
    return group


def _group_served_by_robot(body: RobotKicked | GroupUnbound) -> Group:
    """Return the active group of the event. Raises EventIgnored when another robot serves it."""
    group = _group(body.group_code)
    if group.robot.code != body.robot_code:
        raise EventIgnored("群由另一个机器人服务")
    return group


@subscribe(RobotInvited)
def on_wait_for_bind(event: Event[RobotInvited]) -> None:
    """Ask the gateway to bind the group, or inform the user why it is refused."""
    binding.request_binding(
        robot=known_robot(event.body.robot_code),
        user=_user(event.body.user_code),
        group_code=event.body.group_code,
        name=event.body.name,
        source=Source(SourceType.WAIT_FOR_BIND, event.event_id),
        at=event.received_at,
    )


@subscribe(GroupBound)
def on_bound(event: Event[GroupBound]) -> None:
    """Bind the group, request its members and thank the user.

    If the robot serves the group already, earlier kicks no longer count.
    """
    binding.bind(
        robot=known_robot(event.body.robot_code),
        user=_user(event.body.user_code),
        group_code=event.body.group_code,
        name=event.body.name,
        bound_at=event.moment(event.body.bound_at),
        source=Source(SourceType.BIND_GROUP_SUCCESS, event.event_id),
        at=event.received_at,
    )


@subscribe(RobotJoinFailed)
def on_join_failed(event: Event[RobotJoinFailed]) -> None:
    """Inform the user that the robot could not join, with the gateway's reason, unless the group is bound by now."""
    robot, user = known_robot(event.body.robot_code), _user(event.body.user_code)
    if user is None or user.code is None or user.is_blocked:
        raise EventIgnored("用户未知或已被封")
    if Group.objects.active().filter(code=event.body.group_code, robot=robot).exists():
        raise EventIgnored("群已绑定")  # an older failure, or the gateway tried again by itself
    name, reason = event.body.name, event.body.reason
    writing.message_user(
        robot=robot,
        user_code=user.code,
        content=writing.text(f"群「{name}」没有绑定成功：{reason or '机器人没能进群'}，请稍后再拉一次。"),
        source=Source(SourceType.ROBOT_JOIN_FAILED, event.event_id),
        at=event.received_at,
    )


@subscribe(RobotKicked)
def on_kicked(event: Event[RobotKicked]) -> None:
    """Cancel the group, unless its robot was bound again since."""
    group = _group_served_by_robot(event.body)
    at = event.moment(event.body.kicked_at)
    if at < group.last_bound_at:
        raise EventIgnored("早于这次绑定")
    cancelling.cancel_groups(
        group_ids=[group.pk], reason=CancelReason.ROBOT_KICKED, by="网关", at=max(at, group.bound_at)
    )


@subscribe(GroupUnbound)
def on_unbound(event: Event[GroupUnbound]) -> None:
    """Cancel a group that was bound again just before an unbinding that we had requested.

    The gateway unbinds only on request, so the group is usually cancelled already. A late report of an unbinding of an
    earlier binding cancels nothing.
    """
    group = _group_served_by_robot(event.body)
    if not binding.requested_unbinding(group):
        raise EventIgnored("这次绑定以后没有要求过解绑")
    cancelling.cancel_groups(group_ids=[group.pk], reason=CancelReason.OPERATOR, by="网关", at=event.received_at)


@subscribe(GroupDescribed)
def on_info(event: Event[GroupDescribed]) -> None:
    """Store the name, owner and size of the group."""
    members.update_info(group=_group(event.body.group_code), info=event.body)


@subscribe(MembersListed)
def on_members(event: Event[MembersListed]) -> None:
    """Store the members."""
    group = _group(event.body.group_code)
    members.replace_members(group=group, listed=event.body.members, at=event.received_at)


@subscribe(MemberJoined)
def on_join(event: Event[MemberJoined]) -> None:
    """Add a member, count the joining in the statistics, and send a welcome message if there is one.

    Each joining counts once, whatever its event_id.
    """
    group = _group(event.body.group_code)
    code = event.body.user_code
    is_new = members.record_joining(
        group=group,
        code=code,
        nickname=event.body.nickname,
        avatar_url=event.body.avatar_url,
        at=event.moment(event.body.joined_at),
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


@subscribe(MemberLeft)
def on_leave(event: Event[MemberLeft]) -> None:
    """Remove a member who has not joined again since, and count the leaving in the statistics."""
    group = _group(event.body.group_code)
    if not members.record_leaving(group=group, code=event.body.user_code, at=event.moment(event.body.left_at)):
        raise EventIgnored("这次退群已记录")


@subscribe_in_bulk(GroupMessageReceived)
def on_messages(events: Sequence[Event[GroupMessageReceived]]) -> Mapping[str, str]:
    """Store messages for a week and notify owners of mentions. Returns why events are ignored, by event id."""
    groups = messages.served_groups(event.body.group_code for event in events)
    ours = [event for event in events if event.body.group_code in groups]
    new = messages.store_messages(ours, groups, at=max(event.received_at for event in events)) if ours else set()
    ignored = {event.event_id: "群未绑定" for event in events if event.body.group_code not in groups}
    return ignored | {event.event_id: "消息已收到过" for event in ours if event.event_id not in new}


@subscribe(RobotBanned)
def on_banned(event: Event[RobotBanned]) -> None:
    """Ban the robot, close its messages and cancel its groups."""
    # It stands here and not in robots.subscribers, because groups are locked first.
    robot_replacement.ban_robot(known_robot(event.body.robot_code), at=event.received_at)


@subscribe(RobotAdded)
def on_added(event: Event[RobotAdded]) -> str | None:
    """Notify an owner of a banned robot's groups, whom no robot could reach before, of the cancelled groups.

    It runs after `robots.subscribers`, which sends the link to complete the profile first.
    """
    user = _user(event.body.user_code)
    source = Source(SourceType.ROBOT_ADDED, event.event_id)
    if user and robot_replacement.notify_owner_with_new_robot(
        user=user, robot=known_robot(event.body.robot_code), source=source, at=event.received_at
    ):
        return "已告知换机器人"
    return None


@subscribe(RobotReplaced)
def on_replaced(event: Event[RobotReplaced]) -> str:
    """Inform the owners of cancelled groups which robot replaces it. The note counts the owners who were not reached."""
    code, at = event.body.new_robot_code, event.received_at
    robot = Robot.objects.filter(code=code).first()
    is_recorded = robot is not None and bool(
        robot_replacement.record_replacement(robot, banned_code=event.body.banned_robot_code, at=at)
    )
    if not is_recorded and not robot_replacement.awaiting_replacement_notice().exists():
        raise EventIgnored("没有等待通知的群主")  # an operator can have it handled again
    notified = robot_replacement.notify_owners(
        name=robot.name if robot else code,
        qr_code_url=event.body.qr_code_url or (robot.qr_code_url if robot else ""),
        source=Source(SourceType.ABNORMAL_ROBOT_REPLACED, event.event_id),
        at=at,
    )
    return str(notified)
