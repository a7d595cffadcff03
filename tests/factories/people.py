"""Users, operators, robots and groups."""

from datetime import datetime, timedelta
from typing import Any

import factory
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from groups.models import Group, PaidDays
from robots.models import Friendship, Robot


def days_ago(days: int, hour: int = 12) -> datetime:
    """Return the time this many days ago, at `hour` o'clock in Shanghai."""
    return (timezone.localtime() - timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A user who completed the profile."""

    class Meta:
        model = User

    code = factory.Sequence(lambda n: f"user-{n}")
    nickname = factory.Sequence(lambda n: f"用户{n}")
    union_id = factory.Sequence(lambda n: f"union-{n}")
    open_id = factory.Sequence(lambda n: f"open-{n}")
    app_id = "sandbox"
    completed_at = factory.LazyFunction(timezone.now)


class OperatorFactory(factory.django.DjangoModelFactory[User]):
    """An operator with all permissions."""

    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"operator-{n}")
    is_staff = True
    is_superuser = True


class RobotFactory(factory.django.DjangoModelFactory[Robot]):
    class Meta:
        model = Robot

    code = factory.Sequence(lambda n: f"robot-{n}")
    name = factory.Sequence(lambda n: f"小助手{n}")
    wechat_no = factory.Sequence(lambda n: f"wx-{n}")
    avatar_url = "http://127.0.0.1:8001/avatar.png"
    qr_code_url = "http://127.0.0.1:8001/qr.png"


class FriendshipFactory(factory.django.DjangoModelFactory[Friendship]):
    class Meta:
        model = Friendship

    user = factory.SubFactory(UserFactory)
    robot = factory.SubFactory(RobotFactory)
    befriended_at = factory.LazyFunction(timezone.now)


class GroupFactory(factory.django.DjangoModelFactory[Group]):
    """An active group, bound ten days ago, not yet rated."""

    class Meta:
        model = Group

    code = factory.Sequence(lambda n: f"group-{n}")
    name = factory.Sequence(lambda n: f"群{n}")
    user: Any = factory.SubFactory(UserFactory)
    robot: Any = factory.SubFactory(RobotFactory)
    bound_at = factory.LazyFunction(lambda: days_ago(10))

    @classmethod
    def _create(cls, model_class: type[Group], *args: Any, **kwargs: Any) -> Group:
        """Create the group with `settle_count` paid days, and count an active one on its robot."""
        paid_days = kwargs.pop("settle_count", 0)
        group: Group = super()._create(model_class, *args, **kwargs)
        if paid_days:
            PaidDays.objects.create(group=group, day_count=paid_days)
        if group.cancelled_at is None:
            Robot.objects.filter(pk=group.robot_id).update(group_count=F("group_count") + 1)
        return group
