"""What groups hear of gateway events."""

from accounts.models import User
from groups import binding, cancelling, members
from groups.models import CancelReason, Group
from integrations.events import BadEvent, Event, EventIgnored, subscribe, word
from robots import outbox
from robots.events import moment, robot_named


def _user(event: Event) -> User | None:
    return User.objects.filter(code=word(event.body, "user_id")).first()


def _group(code: str) -> Group:
    """The active group of that code; without one there is nothing to do."""
    group = Group.objects.active().select_related("robot", "user").filter(code=code).first()
    if group is None:
        raise EventIgnored("群未绑定")
    return group


@subscribe("wait_for_bind")
def on_wait_for_bind(event: Event) -> None:
    binding.ask_to_bind(
        robot=robot_named(event),
        user=_user(event),
        group_code=word(event.body, "group_id"),
        name=word(event.body, "name", needed=False, longest=200),
        cause=f"wait_for_bind:{event.event_id}",
        at=event.received_at,
    )


@subscribe("bind_group_success")
def on_bound(event: Event) -> None:
    binding.bind(
        robot=robot_named(event),
        user=_user(event),
        group_code=word(event.body, "group_id"),
        name=word(event.body, "name", needed=False, longest=200),
        bound_at=moment(event, "bind_time"),
        cause=f"bind_group_success:{event.event_id}",
        at=event.received_at,
    )


@subscribe("robot_join_failed")
def on_join_failed(event: Event) -> None:
    """The user is told that it did not work, and what the gateway says of it."""
    robot, user = robot_named(event), _user(event)
    if user is None or user.code is None or user.is_blocked:
        raise EventIgnored("用户未知或已被封")
    name = word(event.body, "name", needed=False, longest=200)
    reason = word(event.body, "reason", needed=False, longest=200)
    outbox.tell_user(
        robot=robot,
        user_code=user.code,
        content=outbox.text(f"群「{name}」没有绑定成功:{reason or '机器人没能进群'},请稍后再拉一次。"),
        cause=f"robot_join_failed:{event.event_id}",
        at=event.received_at,
    )


@subscribe("robot_kicked")
def on_kicked(event: Event) -> None:
    group = _group(word(event.body, "group_id"))
    at = moment(event, "kick_time")
    cancelling.cancel(group_ids=[group.pk], reason=CancelReason.ROBOT_KICKED, by="网关", at=max(at, group.bound_at))


@subscribe("unbind_group_success")
def on_unbound(event: Event) -> None:
    """Only our own asking leads here, so the group is gone already; one that is not was let go by hand."""
    group = _group(word(event.body, "group_id"))
    if group.robot.code != word(event.body, "robot_id"):
        raise EventIgnored("群由另一个机器人服务")
    cancelling.cancel(group_ids=[group.pk], reason=CancelReason.OPERATOR, by="网关", at=event.received_at)


@subscribe("group_info")
def on_info(event: Event) -> None:
    members.take_info(group=_group(word(event.body, "id")), told=event.body)


@subscribe("group_members")
def on_members(event: Event) -> None:
    told = event.body
    if not isinstance(told, list) or not told or not all(isinstance(one, dict) for one in told):
        raise BadEvent("body: 应为成员数组")
    codes = {word(one, "group_id") for one in told}
    if len(codes) != 1:
        raise BadEvent("group_id: 应为同一个群")
    members.take_members(group=_group(codes.pop()), told=told, at=event.received_at)
