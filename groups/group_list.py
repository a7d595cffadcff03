"""Rows of the user's lists of groups, read in a fixed number of queries."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from config.platform.dates import day_of
from groups.models import Group, GroupStatistics, StarPlan
from groups.stars import article_price_on, plans_on

EARNING, NOT_EARNING = "收益中", "未收益"


def list_rows(groups: Iterable[Group], *, rated: bool) -> list[dict[str, Any]]:
    """Return a row for each group with its price and income; rows of unrated groups have only code, name and date."""
    if not rated:
        return [_unrated_row(group) for group in groups]
    today = day_of(timezone.now())
    plans, text_income = plans_on(today), article_price_on(today)
    return [_rated_row(group, plans, text_income) for group in groups]


def _unrated_row(group: Group) -> dict[str, Any]:
    empty = dict.fromkeys(
        (
            "settle_count",
            "star",
            "shown_robot_name",
            "launch_switch",
            "income_status",
            "group_income",
            "text_income",
            "old_group",
        )
    )
    return {**empty, "code": group.code, "name": group.name, "bound_at": group.bound_at}


def _rated_row(group: Group, plans: dict[int, StarPlan], text_income: Decimal) -> dict[str, Any]:
    plan = plans.get(group.star or 0)
    days_left = plan is not None and group.settle_count < plan.income_days
    return {
        "code": group.code,
        "name": group.name,
        "settle_count": group.settle_count,
        "star": group.star,
        "shown_robot_name": group.robot_nickname or group.robot.name,
        "launch_switch": group.launch_switch,
        "bound_at": group.bound_at,
        "income_status": EARNING if days_left or group.launch_switch or group.is_legacy else NOT_EARNING,
        "group_income": plan.price if plan else None,
        "text_income": text_income,
        "old_group": int(group.is_legacy),
    }


def with_statistics(groups: QuerySet[Group], *, day: date) -> QuerySet[Any]:
    """Return each group with its statistics of that day, zero where nothing was counted."""
    of_day = GroupStatistics.objects.filter(group=OuterRef("pk"), day=day)
    return groups.annotate(
        shown_member_count=Coalesce(Subquery(of_day.values("member_count")), F("member_count")),
        joined_count=Coalesce(Subquery(of_day.values("joined_count")), 0),
        left_count=Coalesce(Subquery(of_day.values("left_count")), 0),
        speaker_count=Coalesce(Subquery(of_day.values("speaker_count")), 0),
    )
