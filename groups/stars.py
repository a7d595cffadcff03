"""Stars: what the rating system says of groups, and what follows from it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from accounts.models import User
from config.errors import BadRequest
from config.platform.dates import after_quiet_hours
from config.platform.lookups import as_uuid
from groups import cancelling
from groups.models import ArticlePrice, CancelReason, Group, RatingState, StarPlan
from groups.signals import launch_switches_changed
from robots.outbox import writing as outbox
from robots.outbox.bulk import writing

STARS = range(1, 6)
LOW_STAR = 1
MOST_LOW_STARS = 20
NO_LAUNCHES_FROM = 4
GROUPS_PER_MESSAGE = 20  # of a letter, one a group


@dataclass(frozen=True)
class Rating:
    """What the rating system says about one group."""

    group_code: str
    star: int
    state: int


# A group is named by its code, else by its id.
_LOCK = """
SELECT id, code, star, user_id, launch_switch FROM groups_group
WHERE cancelled_at IS NULL AND (code = ANY(%(codes)s) OR id = ANY(%(ids)s::uuid[]))
ORDER BY id FOR UPDATE
"""
# An owner of many groups gets one letter about twenty, not twenty letters; each robot writes about its own.
_MESSAGES = writing(
    """
    SELECT robot_id, user_code, string_agg(line, E'\\n' ORDER BY place) AS words, 'star:' || user_id AS cause,
        (user_id, min(place)) AS place
    FROM (
        SELECT g.robot_id, u.id AS user_id, u.code AS user_code,
            format(coalesce(told.ending, %(words)s), g.name, told.star) AS line,
            row_number() OVER (PARTITION BY g.robot_id, u.id ORDER BY g.name, g.id) - 1 AS place
        FROM told JOIN groups_group g ON g.id = told.group_id JOIN accounts_user u ON u.id = g.user_id
        WHERE (g.star IS DISTINCT FROM told.star OR told.ending IS NOT NULL) AND u.code <> ''
    ) AS lines GROUP BY robot_id, user_id, user_code, place / %(lines)s
    """
)
# History, letters to the owners, the group's star and its switch in one statement, however many groups.
_RATE = f"""
WITH told AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(stars)s::smallint[], %(states)s::smallint[], %(endings)s::text[])
        AS t(group_id, star, state, ending)
), history AS (
    INSERT INTO groups_starrating (group_id, star, state, rated_at)
    SELECT group_id, star, state, %(at)s FROM told
), letters AS ({_MESSAGES}), rated AS (
    UPDATE groups_group g
    SET star = told.star, launch_switch = g.launch_switch AND told.star < %(no_launches_from)s
    FROM told WHERE g.id = told.group_id
)
SELECT count(*) FROM letters
"""  # noqa: S608 - our own SQL
_RATED_TEXT = "群「%s」评为 %s 星,以后每天的收益按新星级计算。"
_CANCELLED_TEXTS: Mapping[CancelReason | None, str] = {
    CancelReason.TOO_FEW_MESSAGES: "群「%s」评为 %s 星,因发言太少已经注销,不再有收益。",
    CancelReason.TOO_MANY_LOW_STARS: "群「%s」评为 %s 星,因低星级的群超过限制已经注销,不再有收益。",
}


class _RatedGroup(NamedTuple):
    """A group as it was, and what is said about it."""

    pk: UUID
    code: str
    star: int | None
    user_id: UUID
    takes_launches: bool
    told: Rating


def rate(ratings: Sequence[Rating], *, at: datetime) -> int:
    """Apply a whole batch of ratings or, when one names no active group (1403), none."""
    with transaction.atomic():
        rated = _lock(ratings)
        ended = _groups_to_cancel(rated)
        _write(rated, ended, at)
        if ended:
            cancelling.cancel_each(ended, by="星级评定", at=at)
    return len(rated)


def _lock(ratings: Sequence[Rating]) -> list[_RatedGroup]:
    """The active groups that are named, locked in the order of their ids; the last word on each counts."""
    references = [rating.group_code for rating in ratings]
    words: dict[str, Any] = {"codes": references, "ids": [pk for one in references if (pk := as_uuid(one))]}
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, words)
        groups = cursor.fetchall()
    by_name = {str(pk): pk for pk, *_ in groups} | {code: pk for pk, code, *_ in groups}
    told: dict[UUID, Rating] = {}
    for index, rating in enumerate(ratings):
        pk = by_name.get(rating.group_code) or by_name.get(str(as_uuid(rating.group_code)))
        if pk is None:
            raise BadRequest("没有这个群，整批未生效", field=f"data.{index}.groupId")
        told[pk] = rating
    return [
        _RatedGroup(pk, code, star, user, is_on, told[pk]) for pk, code, star, user, is_on in groups if pk in told
    ]


def _write(rated: Sequence[_RatedGroup], ended: Mapping[UUID, CancelReason], at: datetime) -> None:
    words: dict[str, Any] = {
        "ids": [group.pk for group in rated],
        "stars": [group.told.star for group in rated],
        "states": [group.told.state for group in rated],
        "endings": [_CANCELLED_TEXTS.get(ended.get(group.pk)) for group in rated],
        "at": at,
        "not_before": after_quiet_hours(at),
        "by_day_only": True,
        "no_launches_from": NO_LAUNCHES_FROM,
        "words": _RATED_TEXT,
        "lines": GROUPS_PER_MESSAGE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RATE, words)
        (letters,) = cursor.fetchone()
    if letters:
        outbox.notify_senders()
    off = [one.code for one in rated if one.takes_launches and one.told.star >= NO_LAUNCHES_FROM]
    if off:
        launch_switches_changed.send(Group, group_codes=off, at=at)


def _groups_to_cancel(rated: Sequence[_RatedGroup]) -> dict[UUID, CancelReason]:
    """One star by timeout ends a group (7); so does being a user's 21st group of one star (5)."""
    low = [group for group in rated if group.told.star == LOW_STAR]
    ended = {group.pk: CancelReason.TOO_FEW_MESSAGES for group in low if group.told.state == RatingState.TIMEOUT}
    left = [group for group in low if group.pk not in ended]
    fallen = [group for group in left if group.star != LOW_STAR]
    if not fallen:
        return ended
    seen = _one_star_groups({group.user_id for group in fallen}, besides=rated)
    seen.update(group.user_id for group in left if group.star == LOW_STAR)
    for group in fallen:
        seen[group.user_id] += 1
        if seen[group.user_id] > MOST_LOW_STARS:
            ended[group.pk] = CancelReason.TOO_MANY_LOW_STARS
    return ended


def _one_star_groups(user_ids: Iterable[UUID], *, besides: Sequence[_RatedGroup]) -> Counter[UUID]:
    """How many groups of one star each of these users has. They are locked: nobody else counts for them meanwhile."""
    users = User.objects.select_for_update(no_key=True).filter(pk__in=list(user_ids)).order_by("pk")
    ids = list(users.values_list("pk", flat=True))
    ones = Group.objects.active().filter(user_id__in=ids, star=LOW_STAR)
    return Counter(ones.exclude(pk__in=[group.pk for group in besides]).values_list("user_id", flat=True))


def plans_on(day: date) -> dict[int, StarPlan]:
    """The plan of each star that is valid on that day, the latest start first in line."""
    plans = StarPlan.objects.filter(valid_from__lte=day).exclude(valid_to__lt=day).order_by("star", "valid_from")
    return {plan.star: plan for plan in plans}


class PlanGap(NamedTuple):
    """Days on which no plan of a star is valid. `last` is None when no plan follows."""

    star: int
    first: date
    last: date | None

    def __str__(self) -> str:
        return f"{self.star}★ {self.first} – {self.last or ''}".rstrip()


def gaps_in_plans(*, since: date) -> list[PlanGap]:
    """Return the days from `since` on for which a star has no plan: its groups would earn nothing."""
    plans: dict[int, list[tuple[date, date | None]]] = {star: [] for star in STARS}
    valid = StarPlan.objects.exclude(valid_to__lt=since).order_by("valid_from")
    for star, first, last in valid.values_list("star", "valid_from", "valid_to"):
        plans[star].append((first, last))
    return [PlanGap(star, *gap) for star in STARS for gap in _days_between(plans[star], since)]


def _days_between(plans: list[tuple[date, date | None]], since: date) -> Iterator[tuple[date, date | None]]:
    """Yield the (first, last) days from `since` on that none of the plans, the earliest first, covers."""
    open_from = since  # the first day that no plan seen so far covers
    for first, last in plans:
        if first > open_from:
            yield open_from, first - timedelta(days=1)
        if last is None:
            return
        open_from = max(open_from, last + timedelta(days=1))
    yield open_from, None


def article_price_on(day: date) -> Decimal:
    """What one article read earns on that day, in yuan."""
    amount = ArticlePrice.objects.filter(valid_from__lte=day).values_list("amount", flat=True).first()
    return amount if amount is not None else Decimal(0)
