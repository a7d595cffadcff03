"""Binding groups: a user adds a robot to a group, the gateway binds it, and the group is served."""

from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q

from accounts.models import User
from config.errors import NotFound
from config.platform.dates import day_of, start_of
from groups.locking import lock_group_code, lock_rows
from groups.models import CancelReason, Group, PaidDays
from groups.signals import launch_switches_changed
from integrations.gateway.subscriptions import EventIgnored
from robots import pool
from robots.friendships import latest_robot_of
from robots.models import MessageAttempt, OutboxMessage, Robot, Source, SourceType
from robots.outbox import failed, writing

Outcome = MessageAttempt.Outcome
# Attempts end within half an hour, and a new binding closes the messages that an operator could retry.
LONGEST_UNBINDING = timedelta(days=1)
NEAR_MIDNIGHT = timedelta(minutes=5)


class NotPulledBack(NotFound):
    message = "这个群的机器人已经不能用了，请添加其他机器人"


def request_binding(
    *, robot: Robot, user: User | None, group_code: str, name: str, source: Source, at: datetime
) -> None:
    """Ask the gateway to bind a group to which a robot was added, or inform the user why it is refused."""
    if user is None or user.is_blocked:
        raise EventIgnored("用户未知或已被封")
    if not robot.is_working:
        _recommend_working_robot(user, name, source, at)
    elif not pool.has_room(robot, day=day_of(at)):
        _message_user(robot, user, f"群「{name}」没有绑定：我今天的名额用完了。", source, at)
        _recommend_another(robot, user, source, at)
    elif Group.objects.banned().filter(code=group_code).exists():
        _message_user(robot, user, f"群「{name}」没有绑定：它曾因违规被注销，不能再次绑定。", source, at)
    elif Group.objects.active().filter(code=group_code).exists():
        _message_user(robot, user, f"群「{name}」已经有助手在服务，不需要重复绑定。", source, at)
    else:
        writing.request_gateway(
            writing.Operation.BIND_GROUP,
            robot=robot,
            group_code=group_code,
            user_code=str(user.code),
            content={"name": name},
            source=source,
            at=at,
        )


def bind(
    *,
    robot: Robot,
    user: User | None,
    group_code: str,
    name: str,
    bound_at: datetime,
    source: Source,
    at: datetime,
) -> Group | None:
    """Serve a group that the gateway bound. The same event again changes nothing.

    Returns None when the robot has no room left or is gone, when another robot serves the group (the gateway is asked to
    unbind it again), or when the same robot was bound once more. Raises EventIgnored when the binding has ended already.
    """
    if user is None:
        raise EventIgnored("用户未知")
    with transaction.atomic():
        lock_group_code(group_code)
        served = Group.objects.active().filter(code=group_code).first()
        if served is not None:
            _handle_second_binding(served, robot, user, bound_at, source, at)
            return None
        if _has_ended(robot, group_code, bound_at, at):
            raise EventIgnored("这次绑定已经结束")
        # An operator who retries a failed unbinding of the earlier binding must not end this one.
        failed.close_of_group(group_code=group_code, reason="群已重新绑定", at=at)
        try:
            pool.take_group(robot, day=_quota_day(bound_at, at))
        except pool.RobotGone:
            _recommend_working_robot(user, name, source, at)
            return None
        except pool.RobotUsedUp:
            _request_unbinding(robot, group_code, "名额已满", source, at)
            _message_user(robot, user, f"群「{name}」没有绑定：我今天的名额用完了。", source, at)
            _recommend_another(robot, user, source, at)
            return None
        is_again = Group.objects.filter(code=group_code).exists()
        group = _create(robot, user, group_code, name, bound_at)
        if is_again:  # launches may have been switched off during an earlier binding
            launch_switches_changed.send(Group, group_codes=[group_code], at=at)
        _start_service(group, source, at)
        return group


def _quota_day(bound_at: datetime, at: datetime) -> date:
    """Return the day whose quota a binding uses: the one on which its event arrived.

    A binding of the last minutes before midnight that arrives in the first minutes after it uses the quota of its own day.
    The gateway's time alone selects no other day: its clock may be wrong, and each day would have a quota of its own.
    """
    midnight = start_of(day_of(at))
    is_near = midnight - NEAR_MIDNIGHT <= bound_at < midnight and at < midnight + NEAR_MIDNIGHT
    return day_of(bound_at) if is_near else day_of(at)


def _create(robot: Robot, user: User, group_code: str, name: str, bound_at: datetime) -> Group:
    group = Group.objects.create(code=group_code, name=name, robot=robot, user=user, bound_at=bound_at)
    paid_days = PaidDays.objects.filter(group__code=group_code).aggregate(most=Max("day_count"))["most"]
    if paid_days:
        PaidDays.objects.create(group=group, day_count=paid_days)
    return group


def _start_service(group: Group, source: Source, at: datetime) -> None:
    """Ask the gateway for the members, thank the user, and recommend another robot when this one is used up."""
    writing.request_gateway(
        writing.Operation.SYNC_MEMBERS, robot=group.robot, group_code=group.code, source=source, at=at
    )
    _message_user(
        group.robot, group.user, f"群「{group.name}」绑定成功，谢谢你！评定星级后就开始有收益。", source, at
    )
    robot = Robot.objects.get(pk=group.robot_id)
    if not pool.has_room(robot, day=day_of(at)):
        _recommend_another(robot, group.user, source, at)


def _has_ended(robot: Robot, group_code: str, bound_at: datetime, at: datetime) -> bool:
    """Return whether a binding is reported late, again, or after the kick that ended it.

    Both times are the gateway's, in whole seconds. A binding without a time of its own happened just now.
    """
    if bound_at >= at:
        return False
    ended_bindings = Group.objects.filter(code=group_code, robot=robot, cancelled_at__isnull=False)
    next_second = bound_at.replace(microsecond=0) + timedelta(seconds=1)
    was_kicked = Q(cancel_reason=CancelReason.ROBOT_KICKED, cancelled_at__gte=next_second)
    return ended_bindings.filter(was_kicked | Q(bound_at=bound_at) | Q(rebound_at=bound_at)).exists()


def _handle_second_binding(
    served: Group, robot: Robot, user: User, bound_at: datetime, source: Source, at: datetime
) -> None:
    """Unbind a second robot from a group that is served already.

    The gateway binds each robot that is added, and a group is served through one. A newer binding of the robot that serves
    it means that it was kicked and added again: a kick before that binding, reported later, ends nothing.
    """
    if served.robot_id == robot.pk and served.last_bound_at < bound_at < at:
        Group.objects.filter(pk=served.pk).update(rebound_at=bound_at, robot_is_in=True)
        return
    if served.robot_id == robot.pk or not robot.is_working:
        raise EventIgnored("群已在服务中")
    _request_unbinding(robot, served.code, "已由另一个机器人服务", source, at)
    _message_user(robot, user, f"群「{served.name}」已经有助手在服务，不需要重复绑定。", source, at)


def _request_unbinding(robot: Robot, group_code: str, reason: str, source: Source, at: datetime) -> None:
    writing.request_gateway(
        writing.Operation.UNBIND_GROUP,
        robot=robot,
        group_code=group_code,
        content={"reason": reason},
        source=source,
        at=at,
    )


def _recommend_working_robot(user: User, name: str, source: Source, at: datetime) -> None:
    """Inform the user, through another robot the user added, that this robot is banned or removed."""
    speaker = latest_robot_of(user)
    if speaker is None:
        return
    _message_user(speaker, user, f"群「{name}」没有绑定：你拉进群的助手已经不能用了。", source, at)
    if pool.has_room(speaker, day=day_of(at)):
        _message_user(speaker, user, "请改把我拉进群。", source, at)
    else:
        _recommend_another(speaker, user, source, at)


def _message_user(robot: Robot, user: User, text: str, source: Source, at: datetime) -> None:
    writing.message_user(robot=robot, user_code=str(user.code), content=writing.text(text), source=source, at=at)


def _recommend_another(robot: Robot, user: User, source: Source, at: datetime) -> None:
    other = pool.recommend(channel=robot.channel, other_than=robot, day=day_of(at))
    if other is None:
        return
    _message_user(
        robot, user, f"请添加另一位助手「{other.name}」（微信号 {other.wechat_no}），再把它拉进群：", source, at
    )
    if other.qr_code_url:
        picture = writing.image(other.qr_code_url)
        writing.message_user(robot=robot, user_code=str(user.code), content=picture, source=source, at=at)


def requested_unbinding(group: Group) -> bool:
    """Return whether an unbinding that we requested was sent to the gateway after this group was bound.

    The request may belong to an earlier binding and be leased by a sender, whose attempt is not recorded yet.
    """
    since = group.last_bound_at
    requests = OutboxMessage.objects.filter(
        operation=writing.Operation.UNBIND_GROUP,
        robot=group.robot_id,
        group_code=group.code,
        created_at__gte=since - LONGEST_UNBINDING,
    )
    attempts = MessageAttempt.objects.filter(
        message=OuterRef("pk"), tried_at__gte=since, outcome__in=[Outcome.DONE, Outcome.UNKNOWN]
    )
    return requests.filter(Exists(attempts) | Q(status=OutboxMessage.Status.WAITING, lease__isnull=False)).exists()


def request_pull_back(*, group: Group, at: datetime) -> str:
    """Have the robot ask its user, once a day, to add it to the group again.

    Returns the address of the robot's QR code. Raises NotPulledBack (1404) when the robot or the group is gone.
    """
    text = f"我不在群「{group.name}」里了，请把我再拉进去，收益才能继续。"
    once_a_day = f"pull_back:{group.pk}:{day_of(at)}"
    with transaction.atomic():
        was_cancelled_meanwhile = group.cancelled_at is None and group.pk not in lock_rows([group.code])
        if was_cancelled_meanwhile or not group.robot.is_working:
            raise NotPulledBack
        writing.message_user(
            robot=group.robot,
            user_code=str(group.user.code),
            content=writing.text(text),
            source=Source(SourceType.PULL_BACK, str(group.pk)),
            at=at,
            idempotency_key=once_a_day,
        )
    return group.robot.qr_code_url
