"""Stars of groups: ratings, their consequences, and the plans with the income of each star."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from config.errors import BadRequest
from config.platform import db
from config.platform.dates import after_quiet_hours
from config.platform.lookups import as_uuid
from groups import cancelling
from groups.models import ArticlePrice, CancelReason, Group, RatingState, StarPlan
from groups.signals import launch_switches_changed
from robots.models import SourceType
from robots.outbox import writing as outbox
from robots.outbox.bulk import private_messages_sql

STARS = range(1, 6)
LOW_STAR = 1
MOST_LOW_STARS = 20
NO_LAUNCHES_FROM = 4
GROUPS_PER_MESSAGE = 20  # one line each


@dataclass(frozen=True)
class Rating:
    """A rating of one group by the rating system."""

    group_code: str
    star: int
    state: int


# The rating system names a group by its code or by its id.
_LOCK = """
SELECT id, code, star, user_id, launch_switch FROM groups_group
WHERE cancelled_at IS NULL AND (code = ANY(%(codes)s) OR id = ANY(%(ids)s::uuid[]))
ORDER BY id FOR UPDATE
"""
# An owner of many groups gets one private message for twenty groups; each robot writes about the groups that it serves.
_MESSAGES = private_messages_sql(
    """
    SELECT robot_id, user_code, string_agg(line, E'\\n' ORDER BY place) AS text, user_id::text AS source_id,
        (user_id, min(place)) AS place
    FROM (
        SELECT g.robot_id, u.id AS user_id, u.code AS user_code,
            format(coalesce(rated.ending, %(text)s), g.name, rated.star) AS line,
            row_number() OVER (PARTITION BY g.robot_id, u.id ORDER BY g.name, g.id) - 1 AS place
        FROM rated JOIN groups_group g ON g.id = rated.group_id JOIN accounts_user u ON u.id = g.user_id
        WHERE (g.star IS DISTINCT FROM rated.star OR rated.ending IS NOT NULL) AND u.code <> ''
    ) AS lines GROUP BY robot_id, user_id, user_code, place / %(lines)s
    """
)
# One statement writes the history, the messages to owners, the stars and the launch switches, however many groups.
_RATE = f"""
WITH rated AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(stars)s::smallint[], %(states)s::smallint[], %(endings)s::text[])
        AS t(group_id, star, state, ending)
), history AS (
    INSERT INTO groups_starrating (group_id, star, state, rated_at)
    SELECT group_id, star, state, %(at)s FROM rated
), messages AS ({_MESSAGES}), updated AS (
    UPDATE groups_group g
    SET star = rated.star, launch_switch = g.launch_switch AND rated.star < %(no_launches_from)s
    FROM rated WHERE g.id = rated.group_id
)
SELECT count(*) FROM messages
"""  # noqa: S608 - our own SQL
_RATED_TEXT = "群「%s」评为 %s 星，以后每天的收益按新星级计算。"
_CANCELLED_TEXTS: Mapping[CancelReason | None, str] = {
    CancelReason.TOO_FEW_MESSAGES: "群「%s」评为 %s 星，因发言太少已经注销，不再有收益。",
    CancelReason.TOO_MANY_LOW_STARS: "群「%s」评为 %s 星，因低星级的群超过限制已经注销，不再有收益。",
}


class _RatedGroup(NamedTuple):
    """A locked group as it was before the rating, and the rating."""

    pk: UUID
    code: str
    star: int | None
    user_id: UUID
    takes_launches: bool
    rating: Rating


def rate(ratings: Sequence[Rating], *, at: datetime) -> int:
    """Apply a whole batch of ratings. Returns how many groups were rated.

    Raises BadRequest (1403) and applies none when a rating names no active group.
    """
    with transaction.atomic():
        rated = _lock(ratings)
        to_cancel = _groups_to_cancel(rated)
        _write(rated, to_cancel, at)
        if to_cancel:
            cancelling.cancel_each(to_cancel, by="星级评定", at=at)
    return len(rated)


def _lock(ratings: Sequence[Rating]) -> list[_RatedGroup]:
    """Lock the rated groups in the order of their ids. Of several ratings of a group the last counts."""
    references = [rating.group_code for rating in ratings]
    ids = [pk for reference in references if (pk := as_uuid(reference))]
    groups = db.rows(_LOCK, {"codes": references, "ids": ids})
    by_name = {str(pk): pk for pk, *_ in groups} | {code: pk for pk, code, *_ in groups}
    last: dict[UUID, Rating] = {}
    for index, rating in enumerate(ratings):
        pk = by_name.get(rating.group_code) or by_name.get(str(as_uuid(rating.group_code)))
        if pk is None:
            raise BadRequest("没有这个群，整批未生效", field=f"data.{index}.groupId")
        last[pk] = rating
    return [
        _RatedGroup(pk, code, star, user, is_on, last[pk]) for pk, code, star, user, is_on in groups if pk in last
    ]


def _write(rated: Sequence[_RatedGroup], to_cancel: Mapping[UUID, CancelReason], at: datetime) -> None:
    params = {
        "ids": [group.pk for group in rated],
        "stars": [group.rating.star for group in rated],
        "states": [group.rating.state for group in rated],
        "endings": [_CANCELLED_TEXTS.get(to_cancel.get(group.pk)) for group in rated],
        "source_type": SourceType.STAR.value,
        "at": at,
        "not_before": after_quiet_hours(at),
        "by_day_only": True,
        "no_launches_from": NO_LAUNCHES_FROM,
        "text": _RATED_TEXT,
        "lines": GROUPS_PER_MESSAGE,
    }
    [(message_count,)] = db.rows(_RATE, params)
    if message_count:
        outbox.notify_senders()
    off = [group.code for group in rated if group.takes_launches and group.rating.star >= NO_LAUNCHES_FROM]
    if off:
        launch_switches_changed.send(Group, group_codes=off, at=at)


def _groups_to_cancel(rated: Sequence[_RatedGroup]) -> dict[UUID, CancelReason]:
    """Return the groups to cancel: one star by timeout (reason 7), and a user's 21st group of one star (reason 5)."""
    low = [group for group in rated if group.rating.star == LOW_STAR]
    to_cancel = {
        group.pk: CancelReason.TOO_FEW_MESSAGES for group in low if group.rating.state == RatingState.TIMEOUT
    }
    left = [group for group in low if group.pk not in to_cancel]
    fallen = [group for group in left if group.star != LOW_STAR]
    if not fallen:
        return to_cancel
    seen = _one_star_groups({group.user_id for group in fallen}, besides=rated)
    seen.update(group.user_id for group in left if group.star == LOW_STAR)
    for group in fallen:
        seen[group.user_id] += 1
        if seen[group.user_id] > MOST_LOW_STARS:
            to_cancel[group.pk] = CancelReason.TOO_MANY_LOW_STARS
    return to_cancel


def _one_star_groups(user_ids: Iterable[UUID], *, besides: Sequence[_RatedGroup]) -> Counter[UUID]:
    """Lock these users, so that two batches do not count at once. Returns how many other one-star groups each has."""
    users = User.objects.select_for_update(no_key=True).filter(pk__in=list(user_ids)).order_by("pk")
    ids = list(users.values_list("pk", flat=True))
    ones = Group.objects.active().filter(user_id__in=ids, star=LOW_STAR)
    return Counter(ones.exclude(pk__in=[group.pk for group in besides]).values_list("user_id", flat=True))


def plans_on(day: date) -> dict[int, StarPlan]:
    """Return the plan of each star that is valid on that day. Of several valid plans the latest counts."""
    return {plan.star: plan for plan in _valid_plans(day).order_by("star", "valid_from")}


def valid_plans_of(star: Any, day: Any) -> QuerySet[StarPlan]:
    """Return the plans of a star that are valid on that day; the first one counts."""
    return _valid_plans(day).filter(star=star).order_by("-valid_from")


def _valid_plans(day: Any) -> QuerySet[StarPlan]:
    return StarPlan.objects.filter(valid_from__lte=day).exclude(valid_to__lt=day)


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


def article_prices_on(day: Any) -> QuerySet[ArticlePrice]:
    """Return the prices of one article read until that day; the first one is valid."""
    return ArticlePrice.objects.filter(valid_from__lte=day).order_by("-valid_from")
