"""Mass messages of users to their own groups: completing a draft, and the users' lists."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet

from accounts.models import User
from accounts.queries import Listing, UserList, listing
from config.errors import BadRequest, Code, Conflict, NotFound, Refusal
from config.platform.dates import day_of
from config.platform.lookups import has_id
from config.platform.prepared import CountOf
from config.platform.wakeups import start_soon
from groups.models import Group
from groups.references import groups_by_reference
from integrations.gateway.payloads import MessageType
from integrations.moderation.words import require_clean
from launches.mass_message_drafts import DraftUnknown
from launches.models import MassMessage, MassMessageDraft, MassMessageGroup, ScheduledSending

SLOTS = (1, 2)  # mass messages of a user that go out in one day
LISTED_FOR = timedelta(days=7)
LONGEST_LEAD = timedelta(days=365)  # a later date is a typing error
PAST_TOLERANCE = timedelta(minutes=1)  # a client's "now" is past when the request arrives


class MassMessageGroupUnknown(NotFound):
    field = "group_ids"
    message = "只能选择自己的、正在服务的群"


class SendDateIsPast(BadRequest):
    field = "send_date"
    message = "发送时间已过，请选择以后的时间"


class SendDateIsFar(BadRequest):
    field = "send_date"
    message = "最多提前一年，请检查年份"


class AlreadyCompleted(Conflict):
    message = "这条群发已经提交过"


class DailyLimitReached(Refusal):
    code = Code.LIMIT_REACHED
    message = "一天最多群发两次，请换一天"


class MinuteTaken(Refusal):
    code = Code.MINUTE_TAKEN
    message = "同一个群在这一分钟已有群发消息，请换个时间"


class MassMessageUnknown(NotFound):
    message = "没有找到这条群发消息"


def complete_draft(
    *,
    user: User,
    draft_id: str,
    message: Mapping[str, Any],
    references: Sequence[str],
    send_at: datetime,
    at: datetime,
) -> MassMessage:
    """Complete a draft: create a mass message to these groups at `send_at`.

    `message` follows the draft or replaces it (`_contents_of`). Raises 1404 for an unknown draft or group, 1409 for a draft
    completed before, 1403 for a time that is past or too far, 2003 for a sensitive word, 2004 for the third of a day, 2005
    when a group has a mass message in that minute. Constraints of the database keep the last two against races.
    """
    contents = _contents_of(_completable(MassMessageDraft.objects.all(), user, draft_id, at), message)
    require_clean(*texts_of(contents))  # may call an outside system, so before the lock
    with transaction.atomic():
        draft = _completable(MassMessageDraft.objects.select_for_update(), user, draft_id, at)
        draft.completed_at = at
        draft.save(update_fields=["completed_at"])
        groups = _own_groups(user, references)
        if send_at < at - PAST_TOLERANCE:
            raise SendDateIsPast
        if send_at > at + LONGEST_LEAD:
            raise SendDateIsFar
        mass_message = MassMessage(
            pk=draft.pk, user=user, contents=contents, send_at=send_at, day=day_of(send_at), created_at=at
        )
        _take_slot(mass_message)
        _take_minutes(mass_message, groups)
        ScheduledSending.objects.create(mass_message=mass_message, next_attempt_at=send_at)
        start_soon(ScheduledSending.worker_task)
    return mass_message


def _completable(drafts: QuerySet[MassMessageDraft], user: User, draft_id: str, at: datetime) -> MassMessageDraft:
    """Return the user's draft. Raises DraftUnknown (1404) when it is missing or expired, AlreadyCompleted (1409)."""
    draft = drafts.filter(has_id(draft_id), user=user).first()
    if draft is None or (draft.completed_at is None and draft.expires_at <= at):
        raise DraftUnknown
    if draft.completed_at is not None:
        raise AlreadyCompleted
    return draft


def _contents_of(draft: MassMessageDraft, message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the contents that each group gets: the draft and a text after it, or a message of another type instead.

    The page at which users complete drafts asks for a text, which is optional.
    """
    if message["type"] != MessageType.TEXT:
        return [dict(message)]
    return [draft.content, *([dict(message)] if message["content"].strip() else [])]


def texts_of(contents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the parts that people read. The content of a picture is its address, which is left out."""
    return [
        str(content[part])
        for content in contents
        for part in ("content", "title", "desc")
        if content["type"] != MessageType.IMAGE or part != "content"
    ]


def _own_groups(user: User, references: Sequence[str]) -> list[Group]:
    found = groups_by_reference(Group.objects.own_of(user), references)
    if any(reference not in found for reference in references):
        raise MassMessageGroupUnknown
    return sorted(set(found.values()), key=lambda group: group.pk)


def _take_slot(message: MassMessage) -> None:
    for slot in SLOTS:
        message.slot = slot
        try:
            with transaction.atomic():
                message.save(force_insert=True)
                return
        except IntegrityError:
            continue
    raise DailyLimitReached


def _take_minutes(message: MassMessage, groups: Sequence[Group]) -> None:
    minute = message.send_at.replace(second=0, microsecond=0)
    rows = [MassMessageGroup(mass_message=message, group=group, minute=minute) for group in groups]
    try:
        with transaction.atomic():
            MassMessageGroup.objects.bulk_create(rows)
    except IntegrityError as error:
        raise MinuteTaken from error


@UserList
def upcoming(user_id: UUID, at: datetime, until: datetime) -> Listing:
    """Return the user's mass messages after `at`, to the end `until`, the last first."""
    return _listed(MassMessage.objects.filter(user_id=user_id, send_at__gt=at, send_at__lte=until))


@UserList
def past(user_id: UUID, since: datetime, at: datetime) -> Listing:
    """Return the user's mass messages since then until `at`, the last first."""
    return _listed(MassMessage.objects.filter(user_id=user_id, send_at__gte=since, send_at__lte=at))


def _listed(messages: QuerySet[MassMessage]) -> Listing:
    """Return the messages without recalled ones, for which existing clients have no status to show."""
    groups = MassMessageGroup.objects.filter(mass_message=OuterRef("pk")).values("pk")
    shown = messages.exclude(status=MassMessage.Status.RECALLED).order_by("-send_at", "pk")
    return listing(shown, "id", "send_at", "status", group_count=CountOf(groups))


def mass_message_of_user(user: User, message_id: str) -> MassMessage:
    """Return a mass message of the user with its groups. Raises MassMessageUnknown (1404)."""
    messages = MassMessage.objects.filter(has_id(message_id), user=user)
    message = messages.prefetch_related("groups__group").first()
    if message is None:
        raise MassMessageUnknown
    return message
