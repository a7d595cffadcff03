"""Forwarding of users' messages to customer service, each stored first and tried until it is accepted.

A conversation keeps its order: each message waits for the message before it. No lock is held during a call to customer
service. Two processes may forward the same message, which customer service recognizes by its number.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from config.platform import db
from config.platform.sweeps import sweep
from config.platform.wakeups import start_soon
from feedback.models import Conversation, ForwardedMessage
from integrations.aliyun.customer_service import CustomerService
from integrations.http import OutsideError, Refused
from robots.friendships import latest_robot_of
from robots.models import Source, SourceType
from robots.outbox import writing

logger = logging.getLogger(__name__)

FORWARD = "feedback.tasks.forward_messages"
RETRY_AFTER = (2, 5, 15, 60, 120)  # seconds after the first, second … failure; the last value repeats
FAIL_AFTER = timedelta(hours=24)  # users do not wait longer for an answer
MOST_REFUSALS = 3  # attempts at a refused message, for which the next messages of the conversation wait
LEASE = timedelta(seconds=30)  # longer than a call takes
Status = ForwardedMessage.Status
_AWAY = "客服系统暂时连不上。你的消息已记下，恢复后会马上转给客服。"
_REFUSED = "你 {moment} 发给客服的消息没有送达：客服系统不接受它。请换个说法再发一次。"
_TOO_LATE = "你 {moment} 发给客服的消息没有送达：客服系统一整天都连不上。还需要帮助？回复「菜单」再选 5。"

# Only the first waiting message of a conversation is leased: its next attempt is set after the lease. PostgreSQL evaluates an
# array once. Behind `IN`, the planner may run the subquery again for each row, and one claim then leases all of them.
_LEASE_NEXT = """
UPDATE feedback_forwardedmessage SET retry_at = %(until)s WHERE id = ANY(ARRAY(
    SELECT f.id FROM feedback_forwardedmessage f
    WHERE f.status = %(waiting)s AND f.retry_at <= %(at)s AND NOT EXISTS (
        SELECT 1 FROM feedback_forwardedmessage b
        WHERE b.status = %(waiting)s AND b.conversation_id = f.conversation_id AND b.id < f.id)
    ORDER BY f.id LIMIT 1 FOR UPDATE SKIP LOCKED
)) RETURNING id
"""


def forward(conversation: Conversation, *, kind: str, content: str, at: datetime) -> None:
    """Queue a message for staff, and record activity in the conversation. `kind` is text or image."""
    with transaction.atomic():
        forward_all([conversation], kind=kind, content=content, at=at)
        Conversation.objects.filter(pk=conversation.pk, last_message_at__lt=at).update(last_message_at=at)


def forward_all(conversations: Iterable[Conversation], *, kind: str, content: str, at: datetime) -> None:
    """Queue a message for staff in each of these conversations, without recording activity in them."""
    with transaction.atomic():
        ForwardedMessage.objects.bulk_create(
            ForwardedMessage(
                conversation=conversation, kind=kind, content=content[:4000], written_at=at, retry_at=at
            )
            for conversation in conversations
        )
        start_soon(FORWARD)


@sweep
def forward_waiting() -> int:
    """Forward waiting messages, until none is left or customer service is unavailable. Returns how many attempts."""
    service, count = CustomerService.from_settings(), 0
    while message := _lease_next(timezone.now()):
        count += 1
        if not _forward(message, service):
            break
    return count


def _lease_next(at: datetime) -> ForwardedMessage | None:
    with transaction.atomic():
        leased = db.rows(_LEASE_NEXT, {"waiting": Status.WAITING, "at": at, "until": at + LEASE})
    messages = ForwardedMessage.objects.select_related("conversation__user")
    return messages.get(pk=leased[0][0]) if leased else None


def _forward(message: ForwardedMessage, service: CustomerService) -> bool:
    """Forward one message. Returns whether customer service answered, so that the next message can be tried."""
    user = message.conversation.user
    try:
        service.forward(
            user_code=str(user.code),
            nickname=user.nickname,
            kind=message.kind,
            content=message.content,
            message_no=str(message.message_no),
        )
    except Refused as refusal:
        logger.warning("Customer service refused a message: %s", refusal)
        _handle_refusal(message, str(refusal), timezone.now())
    except OutsideError as error:
        logger.warning("A message did not reach customer service: %s", error)
        _handle_failure(message, str(error), timezone.now())
        return False
    else:
        _finish(message, Status.SENT, "", timezone.now())
    return True


def _finish(message: ForwardedMessage, status: ForwardedMessage.Status, reason: str, at: datetime) -> bool:
    waiting = ForwardedMessage.objects.filter(pk=message.pk, status=Status.WAITING)
    return bool(waiting.update(status=status, settled_at=at, try_count=message.try_count + 1, reason=reason[:200]))


def _handle_refusal(message: ForwardedMessage, reason: str, at: datetime) -> None:
    """Retry a refused message, and close it after three attempts: the answer rarely changes, and the next ones wait."""
    if message.try_count + 1 >= MOST_REFUSALS:
        _close(message, _REFUSED, reason, at)
    else:
        _retry_later(message, reason, at)


def _handle_failure(message: ForwardedMessage, reason: str, at: datetime) -> None:
    """Retry for a day, then close the message. The user is notified of the first failure of a conversation, once."""
    if at - message.written_at >= FAIL_AFTER:
        _close(message, _TOO_LATE, reason, at)
        return
    with transaction.atomic():
        _retry_later(message, reason, at)
        _notify_user_once(
            message.conversation, _AWAY, at, idempotency_key=f"customer_service_away:{message.conversation_id}"
        )


def _retry_later(message: ForwardedMessage, reason: str, at: datetime) -> None:
    delay = RETRY_AFTER[min(message.try_count, len(RETRY_AFTER) - 1)]
    ForwardedMessage.objects.filter(pk=message.pk, status=Status.WAITING).update(
        retry_at=at + timedelta(seconds=delay), try_count=message.try_count + 1, reason=reason[:200]
    )


def _close(message: ForwardedMessage, text: str, reason: str, at: datetime) -> None:
    with transaction.atomic():
        if _finish(message, Status.GIVEN_UP, reason, at):
            moment = f"{timezone.localtime(message.written_at):%H:%M}"
            idempotency_key = f"customer_service_given_up:{message.message_no}"
            _notify_user_once(message.conversation, text.format(moment=moment), at, idempotency_key=idempotency_key)


def _notify_user_once(conversation: Conversation, text: str, at: datetime, *, idempotency_key: str) -> None:
    robot = latest_robot_of(conversation.user)
    if robot is not None:
        writing.message_user(
            robot=robot,
            user_code=str(conversation.user.code),
            content=writing.text(text),
            source=Source(SourceType.CUSTOMER_SERVICE, str(conversation.user_id)),
            at=at,
            idempotency_key=idempotency_key,
        )
