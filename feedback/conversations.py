"""Conversations with customer service: a robot passes staff's messages to the user, and the user's to staff."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest

from accounts.models import User
from config.errors import BadRequest, Conflict, NotAllowed
from config.platform.retention import delete_in_chunks
from config.platform.web_addresses import address_problem
from feedback import forwarding
from feedback.models import CallbackDigest, Conversation
from integrations.aliyun import customer_service
from robots.friendships import latest_robot_of, robots_to_speak_through
from robots.models import Source, SourceType
from robots.outbox import writing

logger = logging.getLogger(__name__)

CALLBACK_LIFETIME = timedelta(minutes=5)
KEEP = timedelta(days=90)  # operators look up the messages when a user complains
CHUNK = 1000  # conversations deleted in one statement
KINDS = ("text", "image")
CREATED, CLOSED, SILENCE_WARNING = "CONVERSATION_CREATE", "CONVERSATION_CLOSE", "VISITOR_OVERTIME_NOTICE"
_EVENT_TEXTS = {
    CREATED: "客服已接入，请直接发消息说明问题。发送「退出」结束对话。",
    CLOSED: "客服对话已结束，谢谢。",
    SILENCE_WARNING: "你已经有一会儿没有说话了，如无其他问题，对话即将结束。",
}
_ENDED_FOR_STAFF = "（很久没有新消息，对话已自动结束）"
_ENDED_FOR_USER = "很久没有新消息，客服对话已自动结束。还有问题？回复「菜单」再选 5。"


_DELETE_OLD = """
WITH old AS MATERIALIZED (
    SELECT ctid AS place, id FROM feedback_conversation WHERE closed_at < %(before)s LIMIT %(chunk)s
), messages AS (
    DELETE FROM feedback_forwardedmessage WHERE conversation_id = ANY(ARRAY(SELECT id FROM old))
)
DELETE FROM feedback_conversation WHERE ctid = ANY(ARRAY(SELECT place FROM old))
"""


class BadDigest(NotAllowed):
    message = "摘要不正确或已过期"


class DigestAlreadyUsed(Conflict):
    message = "这次回调已经处理过"


def require_digest(*, raw: bytes, timestamp: str, digest: str, at: datetime) -> None:
    """Accept a callback that customer service signed within the last five minutes, once.

    Raises BadDigest (1401) for a wrong or expired digest, DigestAlreadyUsed (1409) for the second use.
    """
    if not customer_service.is_signed(raw, timestamp, digest):
        raise BadDigest
    if abs(at.timestamp() * 1000 - int(timestamp)) > CALLBACK_LIFETIME.total_seconds() * 1000:
        raise BadDigest
    rows = CallbackDigest.objects.bulk_create(
        [CallbackDigest(digest=digest, accepted_at=at)], ignore_conflicts=True
    )
    if not CallbackDigest.objects.filter(digest=digest, accepted_at=rows[0].accepted_at).exists():
        raise DigestAlreadyUsed


def handle_callback(*, reference: str, kind: str, content: str, at: datetime) -> None:
    """Handle a callback of customer service: an event of the conversation, or a text or picture for the user.

    A callback for a user who is unknown, has no robot or has no open conversation is ignored, because customer service
    would repeat a refused one for ever. Only `CONVERSATION_CREATE` opens a conversation. Raises BadRequest (1403) for an
    unknown type, an empty message, and a picture without a web address.
    """
    event = _event_in(kind, content)
    user = User.objects.by_reference(reference).first()
    robot = latest_robot_of(user) if user else None
    if user is None or robot is None or not _update_conversation(user, event, at):
        logger.info("Ignored a callback of customer service: the user has no robot or no open conversation")
        return
    message = (
        writing.image(content) if kind == "image" and not event else writing.text(_EVENT_TEXTS.get(event, content))
    )
    writing.message_user(
        robot=robot,
        user_code=str(user.code),
        content=message,
        source=Source(SourceType.CUSTOMER_SERVICE, str(user.pk)),
        at=at,
    )


def _event_in(kind: str, content: str) -> str:
    """Return the event of the callback, or "" when it is a message for the user. Raises BadRequest (1403)."""
    event = next((name for name in _EVENT_TEXTS if name in (kind.upper(), content)), "")
    if not event and kind not in KINDS:
        raise BadRequest("不认识的消息类型", field="msgType")
    if not event and not content.strip():
        raise BadRequest("消息内容不能为空", field="content")
    if not event and kind == "image" and (problem := address_problem(content)):
        raise BadRequest(problem, field="content")
    return event


def _update_conversation(user: User, event: str, at: datetime) -> bool:
    """Open or close the user's conversation, or record activity in it. Returns False when none is or was open.

    A warning of silence comes from no person, so it does not count as activity.
    """
    if event == CREATED:
        start_conversation(user, at=at)
        return True
    if event == CLOSED:
        return end_conversation(user, at=at)
    return find_open_conversation(user) is not None if event == SILENCE_WARNING else _record_activity(user, at)


def start_conversation(user: User, *, at: datetime) -> None:
    """Open a conversation, unless the user has an open one."""
    with transaction.atomic():
        conversation = Conversation(user=user, opened_at=at, last_message_at=at)
        Conversation.objects.bulk_create([conversation], ignore_conflicts=True)
        _record_activity(user, at)


def _record_activity(user: User, at: datetime) -> bool:
    """Record that the user or staff has sent a message in the open conversation. Returns False when none is open."""
    current = Conversation.objects.filter(user=user, closed_at=None)
    return bool(current.update(last_message_at=Greatest(F("last_message_at"), Value(at))))


def end_conversation(user: User, *, at: datetime) -> bool:
    """End the user's open conversation. Returns False when none was open."""
    return bool(
        Conversation.objects.filter(user=user, closed_at=None).update(closed_at=Greatest(F("opened_at"), Value(at)))
    )


def find_open_conversation(user: User) -> Conversation | None:
    return Conversation.objects.filter(user=user, closed_at=None).first()


def close_silent(*, at: datetime) -> int:
    """End conversations without a message for CONVERSATION_TIMEOUT, and notify users and staff. Returns how many."""
    silent = Conversation.objects.filter(closed_at=None, last_message_at__lte=at - settings.CONVERSATION_TIMEOUT)
    with transaction.atomic():
        rows = list(silent.select_for_update(skip_locked=True, of=("self",)).select_related("user").order_by("pk"))
        Conversation.objects.filter(pk__in=[row.pk for row in rows]).update(closed_at=at)
        forwarding.forward_all(rows, kind="text", content=_ENDED_FOR_STAFF, at=at)
        robots = robots_to_speak_through(row.user_id for row in rows)
        writing.post_all(
            [
                writing.private_message(
                    robot=robots[row.user_id],
                    user_code=str(row.user.code),
                    content=writing.text(_ENDED_FOR_USER),
                    source=Source(SourceType.CUSTOMER_SERVICE, str(row.user_id)),
                    at=at,
                )
                for row in rows
                if row.user_id in robots
            ]
        )
    return len(rows)


def delete_old_conversations(*, at: datetime) -> int:
    """Delete conversations that ended 90 days ago with their messages, a chunk at a time. Returns how many."""
    return delete_in_chunks(_DELETE_OLD, before=at - KEEP, chunk=CHUNK)


def delete_expired_digests(*, at: datetime) -> int:
    """Delete digests of callbacks that have expired. Returns how many."""
    count, _ = CallbackDigest.objects.filter(accepted_at__lt=at - 2 * CALLBACK_LIFETIME).delete()
    return count
