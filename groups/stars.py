"""Stars: what the rating system says of groups, and what follows from it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from config.errors import BadRequest
from groups import cancelling
from groups.locking import lock_groups
from groups.models import ArticlePrice, CancelReason, Group, RatingState, StarPlan
from robots import outbox

LOW_STAR = 1
MOST_LOW_STARS = 20
NO_LAUNCHES_FROM = 4
QUIET_UNTIL = time(8)  # nobody is told about stars between midnight and this


@dataclass(frozen=True)
class Rating:
    """What the rating system says about one group."""

    group_code: str
    star: int
    state: int


# History, the group's star and its switch in two statements, however many groups.
_RATE = """
WITH told AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(stars)s::smallint[], %(states)s::smallint[]) AS t(group_id, star, state)
), history AS (
    INSERT INTO groups_starrating (group_id, star, state, rated_at)
    SELECT group_id, star, state, %(at)s FROM told
)
UPDATE groups_group g SET star = told.star, launch_switch = g.launch_switch AND told.star < %(no_launches_from)s
FROM told WHERE g.id = told.group_id
"""


def rate(ratings: Sequence[Rating], *, at: datetime) -> int:
    """Apply a whole batch of ratings or, when one names no active group (1403), none."""
    by_code = {rating.group_code: rating for rating in ratings}  # the last word on a group counts
    with transaction.atomic():
        ids = _ids_of(by_code, ratings)
        groups = lock_groups(ids.values())
        told = [by_code[group.code] for group in groups]
        words: dict[str, Any] = {
            "ids": [group.pk for group in groups],
            "stars": [rating.star for rating in told],
            "states": [rating.state for rating in told],
            "at": at,
            "no_launches_from": NO_LAUNCHES_FROM,
        }
        with connection.cursor() as cursor:
            cursor.execute(_RATE, words)
        _tell_owners(groups, told, at)
        _cancel_what_is_too_low(groups, told, at)
    return len(groups)


def _ids_of(by_code: dict[str, Rating], ratings: Sequence[Rating]) -> dict[str, UUID]:
    """The active group behind each code; an id is taken for a code too."""
    active = Group.objects.active()
    ids = dict(active.filter(code__in=by_code).values_list("code", "pk"))
    for index, rating in enumerate(ratings):
        if rating.group_code not in ids:
            group = active.by_reference(rating.group_code).values_list("code", "pk").first()
            if group is None:
                raise BadRequest(f"data.{index}.groupId: 没有这个群,整批未生效")
            by_code[group[0]] = by_code.pop(rating.group_code)
            ids[rating.group_code] = group[1]
    return ids


def _tell_owners(groups: list[Group], told: list[Rating], at: datetime) -> None:
    not_before = _after_the_night(at)
    letters = [
        outbox.private_message(
            robot=group.robot,
            user_code=group.user.code or "",
            content=outbox.text(f"群「{group.name}」评为 {rating.star} 星,以后每天的收益按新星级计算。"),
            cause=f"star:{group.pk}",
            at=at,
            not_before=not_before,
        )
        for group, rating in zip(groups, told, strict=True)
        if group.star != rating.star and group.user.code
    ]
    outbox.post_all(letters)


def _after_the_night(at: datetime) -> datetime:
    local = timezone.localtime(at)
    if local.time() >= QUIET_UNTIL:
        return at
    return local.replace(hour=QUIET_UNTIL.hour, minute=0, second=0, microsecond=0)


def _cancel_what_is_too_low(groups: list[Group], told: list[Rating], at: datetime) -> None:
    """One star by timeout ends a group (7); so does being a user's 21st group of one star (5)."""
    low = [(group, rating) for group, rating in zip(groups, told, strict=True) if rating.star == LOW_STAR]
    silent = [group.pk for group, rating in low if rating.state == RatingState.TIMEOUT]
    cancelling.cancel(group_ids=silent, reason=CancelReason.TOO_LITTLE_TALK, by="星级评定", at=at)
    fallen = [group for group, _ in low if group.star != LOW_STAR and group.pk not in silent]
    ones = Group.objects.active().filter(user_id__in={group.user_id for group in fallen}, star=LOW_STAR)
    seen = Counter(ones.exclude(pk__in=[group.pk for group in fallen]).values_list("user_id", flat=True))
    surplus = []
    for group in fallen:
        seen[group.user_id] += 1
        if seen[group.user_id] > MOST_LOW_STARS:
            surplus.append(group.pk)
    cancelling.cancel(group_ids=surplus, reason=CancelReason.TOO_MANY_LOW_STARS, by="星级评定", at=at)


def plans_on(day: date) -> dict[int, StarPlan]:
    """The plan of each star that is valid on that day, the latest start first in line."""
    plans = StarPlan.objects.filter(valid_from__lte=day).exclude(valid_to__lt=day).order_by("star", "valid_from")
    return {plan.star: plan for plan in plans}


def article_price_on(day: date) -> Decimal:
    """What one article read earns on that day, in yuan."""
    amount = ArticlePrice.objects.filter(valid_from__lte=day).values_list("amount", flat=True).first()
    return amount if amount is not None else Decimal(0)
