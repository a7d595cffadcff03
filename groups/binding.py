"""How a group comes under a robot's care: somebody pulls it in, the gateway binds it, and it is ours."""

from datetime import datetime

from django.db import transaction
from django.db.models import Max

from accounts.models import User
from config.clock import day_of
from groups.locking import one_at_a_time
from groups.models import CancelReason, Group
from integrations.events import EventIgnored
from robots import outbox, pool
from robots.models import Robot

NEVER_AGAIN = (CancelReason.ILLEGAL, CancelReason.POOR_LAUNCHES)


def ask_to_bind(*, robot: Robot, user: User | None, group_code: str, name: str, cause: str, at: datetime) -> None:
    """A robot was pulled into a group: have the gateway bind it, or tell the user why not."""
    if user is None or user.is_blocked:
        raise EventIgnored("用户未知或已被封")
    if not pool.has_room(robot, day=day_of(at)):
        _tell(robot, user, f"群「{name}」没有绑定:我今天的名额用完了。", cause, at)
        _recommend_another(robot, user, cause, at)
    elif Group.objects.filter(code=group_code, cancel_reason__in=NEVER_AGAIN).exists():
        _tell(robot, user, f"群「{name}」没有绑定:它曾因违规被注销,不能再次绑定。", cause, at)
    elif Group.objects.active().filter(code=group_code).exists():
        _tell(robot, user, f"群「{name}」已经有助手在服务,不需要重复绑定。", cause, at)
    else:
        outbox.ask_gateway(
            outbox.Operation.BIND_GROUP,
            robot=robot,
            group_code=group_code,
            user_code=str(user.code),
            content={"name": name},
            cause=cause,
            at=at,
        )


def bind(
    *,
    robot: Robot,
    user: User | None,
    group_code: str,
    name: str,
    bound_at: datetime,
    cause: str,
    at: datetime,
) -> Group | None:
    """The gateway bound a group: it is ours from now on. Told twice, the second changes nothing.

    A robot that filled up meanwhile lets the group go again and answers None.
    """
    if user is None:
        raise EventIgnored("用户未知")
    with transaction.atomic():
        one_at_a_time(group_code)
        if Group.objects.active().filter(code=group_code).exists():
            raise EventIgnored("群已在服务中")
        try:
            pool.take_group(robot, day=day_of(bound_at))
        except pool.RobotUsedUp:
            _let_go(robot, user, group_code, name, cause, at)
            return None
        group = _create(robot, user, group_code, name, bound_at)
        _greet(group, cause, at)
        return group


def _create(robot: Robot, user: User, group_code: str, name: str, bound_at: datetime) -> Group:
    paid_days = Group.objects.filter(code=group_code).aggregate(most=Max("settle_count"))["most"]
    return Group.objects.create(
        code=group_code, name=name, robot=robot, user=user, bound_at=bound_at, settle_count=paid_days or 0
    )


def _greet(group: Group, cause: str, at: datetime) -> None:
    """Ask who is in it, thank the user, and recommend another robot when this one is used up."""
    outbox.ask_gateway(outbox.Operation.SYNC_MEMBERS, robot=group.robot, group_code=group.code, cause=cause, at=at)
    _tell(group.robot, group.user, f"群「{group.name}」绑定成功,谢谢你!评定星级后就开始有收益。", cause, at)
    robot = Robot.objects.get(pk=group.robot_id)
    if not pool.has_room(robot, day=day_of(at)):
        _recommend_another(robot, group.user, cause, at)


def _let_go(robot: Robot, user: User, group_code: str, name: str, cause: str, at: datetime) -> None:
    outbox.ask_gateway(
        outbox.Operation.UNBIND_GROUP,
        robot=robot,
        group_code=group_code,
        content={"reason": "名额已满"},
        cause=cause,
        at=at,
    )
    _tell(robot, user, f"群「{name}」没有绑定:我今天的名额用完了。", cause, at)
    _recommend_another(robot, user, cause, at)


def _tell(robot: Robot, user: User, words: str, cause: str, at: datetime) -> None:
    outbox.tell_user(robot=robot, user_code=str(user.code), content=outbox.text(words), cause=cause, at=at)


def _recommend_another(robot: Robot, user: User, cause: str, at: datetime) -> None:
    other = pool.recommend(channel=robot.channel, other_than=robot, day=day_of(at))
    if other is None:
        return
    _tell(robot, user, f"请添加另一位助手「{other.name}」(微信号 {other.wechat_no}),再把它拉进群:", cause, at)
    if other.qr_code_url:
        picture = outbox.image(other.qr_code_url)
        outbox.tell_user(robot=robot, user_code=str(user.code), content=picture, cause=cause, at=at)


def ask_to_be_pulled_back(*, group: Group, at: datetime) -> str:
    """Have the robot ask its user to pull it back in; answers the robot's QR image."""
    words = f"我不在群「{group.name}」里了,请把我再拉进去,收益才能继续。"
    _tell(group.robot, group.user, words, f"pull_back:{group.pk}:{day_of(at)}", at)
    return group.robot.qr_code_url
