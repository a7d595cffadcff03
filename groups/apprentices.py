"""Apprentices of users, their progress, and reminders to those without a group or an apprentice."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When

from accounts.models import User
from accounts.queries import Listing, UserList, listing
from config.errors import NotFound
from config.platform.dates import day_of
from config.site import client_pages
from groups.models import Group, Reminder
from robots.friendships import robots_to_speak_through
from robots.models import Friendship, Robot, Source, SourceType
from robots.outbox import writing

Kind = Reminder.Kind
_HAS_GROUP = Exists(Group.objects.filter(user=OuterRef("pk")))
_HAS_APPRENTICE = Exists(User.objects.filter(inviter=OuterRef("pk")))
REMIND_AFTER, REMIND_UNTIL = timedelta(hours=24), timedelta(hours=36)
_TEXTS = {
    Kind.GROUP: "你还没有把我拉进群哦！拉进一个群，每天都有收益：{url}",
    Kind.APPRENTICE: "邀请好友一起来，徒弟的收益你也有份！这是你的邀请页：{url}",
}


class NobodyToRemind(NotFound):
    message = "没有可以唤醒的徒弟，或机器人联系不上 TA"


def counts(user: User) -> dict[str, int]:
    """Return how many active groups, apprentices and grand-apprentices the user has."""
    direct = User.objects.filter(inviter=user).count()
    grand = User.objects.filter(inviter__inviter=user).count()
    return {
        "group_count": Group.objects.served_for(user).count(),
        "disciples": direct + grand,
        "apprentice": direct,
        "disciple": grand,
    }


@UserList
def apprentices(user_id: UUID, today: date) -> Listing:
    """Return the user's apprentices, newest first, with their progress.

    One can be reminded who lacks a group or an apprentice, is reachable, and was not reminded of it today.
    """
    needs_group = ~_HAS_GROUP & ~_reminded_on(Kind.GROUP, today)
    needs_apprentice = _HAS_GROUP & ~_HAS_APPRENTICE & ~_reminded_on(Kind.APPRENTICE, today)
    has_robot = Exists(Friendship.objects.filter(user=OuterRef("pk"), robot__status__in=Robot.WORKING))
    can_be_reminded = has_robot & Q(blocked_at=None) & (needs_group | needs_apprentice)
    return _with_dates(
        User.objects.filter(inviter_id=user_id), Case(When(can_be_reminded, then=Value(1)), default=Value(0))
    )


@UserList
def grand_apprentices(user_id: UUID) -> Listing:
    """Return the apprentices of the user's apprentices, newest first, with their progress. Nobody reminds them."""
    return _with_dates(User.objects.filter(inviter__inviter_id=user_id), Value(0))


def _with_dates(users: QuerySet[User], can_be_reminded: Any) -> Listing:
    newest_first = users.order_by("-created_at", "pk")
    progress = {"has_group": _HAS_GROUP, "has_apprentice": _HAS_APPRENTICE, "can_be_reminded": can_be_reminded}
    return listing(newest_first, "id", "nickname", "created_at", **progress)


def _with_progress(users: QuerySet[User]) -> QuerySet[Any]:
    return users.annotate(has_group=_HAS_GROUP, has_apprentice=_HAS_APPRENTICE)


def _reminded_on(kind: Reminder.Kind, today: date) -> Exists:
    return Exists(Reminder.objects.filter(user=OuterRef("pk"), kind=kind, day=today))


def remind_apprentice(*, inviter: User, apprentice: User, at: datetime) -> bool:
    """Remind one apprentice of the missing group or apprentice.

    Returns False when neither is missing, or the apprentice was reminded today.
    """
    person = _with_progress(User.objects.filter(pk=apprentice.pk, inviter=inviter, blocked_at=None)).first()
    if person is None:
        raise NobodyToRemind
    if person.has_group and person.has_apprentice:
        return False
    return _send_reminders([person], Kind.APPRENTICE if person.has_group else Kind.GROUP, at)


def remind_apprentices(*, inviter: User, kinds: Iterable[Reminder.Kind], at: datetime) -> bool:
    """Remind all direct apprentices without a group or an apprentice. Returns False when all were reminded today."""
    people = _with_progress(User.objects.filter(inviter=inviter, blocked_at=None))
    lacking = {Kind.GROUP: people.filter(has_group=False), Kind.APPRENTICE: people.filter(has_apprentice=False)}
    requested = [(kind, list(lacking[kind])) for kind in kinds]
    reachable = [(kind, users) for kind, users in requested if robots_to_speak_through(user.pk for user in users)]
    if not reachable:
        raise NobodyToRemind
    results = [_send_reminders(users, kind, at) for kind, users in reachable]  # all of them, so no generator
    return any(results)


def remind_new_users(*, at: datetime) -> int:
    """Remind users who completed the profile 24 to 36 hours ago and lack a group, or an apprentice.

    Returns how many were reminded.
    """
    window = User.objects.filter(completed_at__range=(at - REMIND_UNTIL, at - REMIND_AFTER), blocked_at=None)
    people, before = _with_progress(window.filter(reminders=None)), Reminder.objects.count()
    lacking = {
        Kind.GROUP: list(people.filter(has_group=False)),
        Kind.APPRENTICE: list(people.filter(has_group=True, has_apprentice=False)),
    }
    for kind, users in lacking.items():
        if robots_to_speak_through(user.pk for user in users):
            _send_reminders(users, kind, at)
    return Reminder.objects.count() - before


def _send_reminders(people: list[User], kind: Reminder.Kind, at: datetime) -> bool:
    """Remind the users whom a robot can reach and who were not reminded today. Returns whether any was reminded."""
    robots = robots_to_speak_through(user.pk for user in people)
    reachable = [user for user in people if user.pk in robots]
    if not reachable:
        raise NobodyToRemind
    today, url = day_of(at), client_pages.home()
    with transaction.atomic():
        reminded = _lock_and_find_reminded(reachable, kind, today)
        to_remind = [user for user in reachable if user.pk not in reminded]
        Reminder.objects.bulk_create([Reminder(user=user, kind=kind, day=today) for user in to_remind])
        messages = [
            writing.private_message(
                robot=robots[user.pk],
                user_code=str(user.code),
                content=writing.text(_TEXTS[kind].format(url=url)),
                source=Source(SourceType.REMINDER, str(user.pk)),
                at=at,
            )
            for user in to_remind
        ]
        writing.post_all(messages)
    return bool(to_remind)


def _lock_and_find_reminded(users: list[User], kind: Reminder.Kind, today: date) -> set[UUID]:
    """Lock these users, so that two clicks at once send one reminder. Returns the users who were reminded today."""
    ids = [user.pk for user in users]
    list(User.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk").values_list("pk", flat=True))
    return set(Reminder.objects.filter(user__in=ids, kind=kind, day=today).values_list("user_id", flat=True))
