"""The user's lists of groups, each page read by one statement."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db.models import (
    Case,
    DecimalField,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, NullIf

from accounts.models import User
from accounts.queries import Listing, UserList, listing
from groups.models import Group, GroupStatistics
from groups.models.group import GroupQuerySet
from groups.stars import article_prices_on, valid_plans_of

EARNING, NOT_EARNING = "收益中", "未收益"
_PRICE = ExpressionWrapper(F("daily_profit") * F("income_days"), DecimalField())  # as StarPlan.price


@UserList
def rated_groups(user_id: UUID, today: date) -> Listing:
    """Return the user's groups that earn, newest first, with their price and income."""
    plan = valid_plans_of(OuterRef("star"), today)
    has_days_left = Q(settle_count__lt=Subquery(plan.values("income_days")[:1]))
    return listing(
        _newest_first(Group.objects.filter(user_id=user_id).rated()),
        "code",
        "name",
        "star",
        "launch_switch",
        "bound_at",
        settle_count=Coalesce("paid_days__day_count", 0),
        shown_robot_name=Coalesce(NullIf("robot_nickname", Value("")), "robot__name"),
        income_status=Case(
            When(has_days_left | Q(launch_switch=True) | Q(is_legacy=True), then=Value(EARNING)),
            default=Value(NOT_EARNING),
        ),
        group_income=Subquery(plan.values(price=_PRICE)[:1]),
        text_income=Coalesce(Subquery(article_prices_on(today).values("amount")[:1]), Value(Decimal(0))),
        old_group=Cast("is_legacy", IntegerField()),
    )


@UserList
def unrated_groups(user_id: UUID) -> Listing:
    """Return the user's groups that wait for a rating, newest first: only code, name and date."""
    return listing(_newest_first(Group.objects.filter(user_id=user_id).unrated()), "code", "name", "bound_at")


@UserList
def owned_groups(user_id: UUID) -> Listing:
    """Return the groups that the user owns in WeChat, newest first."""
    return listing(_owned_by(user_id), "id", "code", "name", "launch_switch", "bound_at", "welcome_message")


@UserList
def numbers_of_owned_groups(user_id: UUID, day: date) -> Listing:
    """Return the groups that the user owns in WeChat with their statistics of that day, zero where nothing was counted."""
    of_day = GroupStatistics.objects.filter(group=OuterRef("pk"), day=day)
    return listing(
        _owned_by(user_id),
        "id",
        "name",
        shown_member_count=Coalesce(Subquery(of_day.values("member_count")), F("member_count")),
        joined_count=Coalesce(Subquery(of_day.values("joined_count")), 0),
        left_count=Coalesce(Subquery(of_day.values("left_count")), 0),
        speaker_count=Coalesce(Subquery(of_day.values("speaker_count")), 0),
    )


def _owned_by(user_id: UUID) -> QuerySet[Group]:
    code = Subquery(User.objects.filter(pk=user_id, code__gt="").values("code"))
    return _newest_first(Group.objects.filter(wechat_owner_code=code))


def _newest_first(groups: GroupQuerySet) -> QuerySet[Group]:
    return groups.active().order_by("-bound_at", "pk")
