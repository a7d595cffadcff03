"""Apprentices: who they are, what they did, and waking those who brought nothing yet."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import User
from config.errors import NotFound
from config.platform.dates import day_of
from config.site import client_pages
from groups.models import Awakening, Group
from robots.friendships import robots_to_speak_through
from robots.models import Friendship
from robots.outbox import writing

Kind = Awakening.Kind
REMIND_AFTER, REMIND_UNTIL = timedelta(hours=24), timedelta(hours=36)
_TEXTS = {
    Kind.GROUP: "你还没有把我拉进群哦!拉进一个群,每天都有收益:{url}",
    Kind.APPRENTICE: "邀请好友一起来,徒弟的收益你也有份!这是你的邀请页:{url}",
}


class NobodyToRemind(NotFound):
    message = "没有可以唤醒的徒弟，或机器人联系不上 TA"


def counts(user: User) -> dict[str, int]:
    """Active groups, and how many stand below the user in the referral tree."""
    apprentices = User.objects.filter(inviter=user).count()
    grand = User.objects.filter(inviter__inviter=user).count()
    return {
        "group_count": Group.objects.served_for(user).count(),
        "disciples": apprentices + grand,
        "apprentice": apprentices,
        "disciple": grand,
    }


def apprentices_of(user: User, *, level: int, today: date) -> QuerySet[Any]:
    """Return apprentices (1) or grand-apprentices (2), newest first, with what they did and whether they may be woken.

    Nobody has any other level.
    """
    of_level = {1: User.objects.filter(inviter=user), 2: User.objects.filter(inviter__inviter=user)}
    told = _with_progress(of_level.get(level, User.objects.none())).annotate(
        has_robot=Exists(Friendship.objects.filter(user=OuterRef("pk"), robot__status__in=[1, 2])),
        woken_for_group=_reminded_on(Kind.GROUP, today),
        woken_for_apprentice=_reminded_on(Kind.APPRENTICE, today),
    )
    return told.order_by("-created_at", "pk")


def _with_progress(users: QuerySet[User]) -> QuerySet[Any]:
    return users.annotate(
        has_group=Exists(Group.objects.filter(user=OuterRef("pk"))),
        has_apprentice=Exists(User.objects.filter(inviter=OuterRef("pk"))),
    )


def _reminded_on(kind: Awakening.Kind, today: date) -> Exists:
    return Exists(Awakening.objects.filter(user=OuterRef("pk"), kind=kind, day=today))


def can_be_reminded(person: Any) -> bool:
    """Of a row of `below`: something is missing, a robot can say so, it was not said today, nobody blocked them."""
    needs_group = not person.has_group and not person.woken_for_group
    needs_apprentice = person.has_group and not person.has_apprentice and not person.woken_for_apprentice
    return bool(person.has_robot and not person.is_blocked and (needs_group or needs_apprentice))


def remind_apprentice(*, master: User, apprentice: User, at: datetime) -> bool:
    """Wake one apprentice for what is really missing; false when nothing is, or it was said today."""
    person = _with_progress(User.objects.filter(pk=apprentice.pk, inviter=master, blocked_at=None)).first()
    if person is None:
        raise NobodyToRemind
    if person.has_group and person.has_apprentice:
        return False
    return _send_reminders([person], Kind.APPRENTICE if person.has_group else Kind.GROUP, at)


def remind_apprentices(*, master: User, kinds: Iterable[Awakening.Kind], at: datetime) -> bool:
    """Wake all direct apprentices who lack it; false when all of them were woken today."""
    people = _with_progress(User.objects.filter(inviter=master, blocked_at=None))
    lacking = {Kind.GROUP: people.filter(has_group=False), Kind.APPRENTICE: people.filter(has_apprentice=False)}
    asked = [(kind, list(lacking[kind])) for kind in kinds]
    reachable = [(kind, found) for kind, found in asked if robots_to_speak_through(user.pk for user in found)]
    if not reachable:
        raise NobodyToRemind
    woken = [_send_reminders(found, kind, at) for kind, found in reachable]
    return any(woken)


def remind_newcomers(*, at: datetime) -> int:
    """Wake who completed the profile 24 to 36 hours ago and lacks a group, or has one and lacks an apprentice."""
    window = User.objects.filter(completed_at__range=(at - REMIND_UNTIL, at - REMIND_AFTER), blocked_at=None)
    people, before = _with_progress(window.filter(awakenings=None)), Awakening.objects.count()
    lacking = {
        Kind.GROUP: list(people.filter(has_group=False)),
        Kind.APPRENTICE: list(people.filter(has_group=True, has_apprentice=False)),
    }
    for kind, users in lacking.items():
        if robots_to_speak_through(user.pk for user in users):
            _send_reminders(users, kind, at)
    return Awakening.objects.count() - before


def _send_reminders(people: list[Any], kind: Awakening.Kind, at: datetime) -> bool:
    """Say it to everybody whom a robot can reach and who was not told today; whether anybody was left."""
    robots = robots_to_speak_through(user.pk for user in people)
    reachable = [user for user in people if user.pk in robots]
    if not reachable:
        raise NobodyToRemind
    today, url = day_of(at), client_pages.home()
    with transaction.atomic():
        already = _lock_and_find_reminded(reachable, kind, today)
        fresh = [user for user in reachable if user.pk not in already]
        Awakening.objects.bulk_create([Awakening(user=user, kind=kind, day=today) for user in fresh])
        letters = [
            writing.private_message(
                robot=robots[user.pk],
                user_code=str(user.code),
                content=writing.text(_TEXTS[kind].format(url=url)),
                cause=f"awakening:{user.pk}:{today}",
                at=at,
            )
            for user in fresh
        ]
        writing.post_all(letters)
    return bool(fresh)


def _lock_and_find_reminded(users: list[Any], kind: Awakening.Kind, today: date) -> set[UUID]:
    """Locks these users, so that two clicks at once say it once."""
    ids = [user.pk for user in users]
    list(User.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk").values_list("pk", flat=True))
    return set(Awakening.objects.filter(user__in=ids, kind=kind, day=today).values_list("user_id", flat=True))
