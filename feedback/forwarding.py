"""Passing a user's words on to customer service: rows first, then calls, until they are taken.

A conversation keeps its order: the next message waits for the one before. No lock is held while customer
service is asked; two forwarders at once may hand over the same message, which its number tells.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from config.sweeps import sweep
from config.waking import wake
from feedback.models import Conversation, ForwardedMessage
from integrations.customer_service import CustomerService
from integrations.http import OutsideError, Refused
from robots import outbox
from robots.friendships import latest_robot_of

logger = logging.getLogger(__name__)

FORWARD = "feedback.tasks.forward_messages"
RETRY_AFTER = (2, 5, 15, 60, 120)  # seconds after the first, second … failure; then the last again and again
GIVE_UP_AFTER = timedelta(hours=24)  # nobody waits longer for an answer
MOST_REFUSALS = 3  # tries of what customer service refuses: the next words of the talk wait meanwhile
IN_HAND = timedelta(seconds=30)  # longer than a call takes
Status = ForwardedMessage.Status
_AWAY = "客服系统暂时连不上。你的消息已记下,恢复后会马上转给客服。"
_REFUSED = "你 {moment} 发给客服的消息没有送达:客服系统不接受它。请换个说法再发一次。"
_TOO_LATE = "你 {moment} 发给客服的消息没有送达:客服系统一整天都连不上。还需要帮助?回复「菜单」再选 5。"

# The first waiting message of each conversation; taking it in hand puts it off, so that no other takes it too. An array is
# made once. Behind `IN`, the planner may run the subquery again for each row, and then it takes all of them.
_CLAIM = """
UPDATE feedback_forwardedmessage SET retry_at = %(until)s WHERE id = ANY(ARRAY(
    SELECT f.id FROM feedback_forwardedmessage f
    WHERE f.status = 0 AND f.retry_at <= %(at)s AND NOT EXISTS (
        SELECT 1 FROM feedback_forwardedmessage b
        WHERE b.status = 0 AND b.conversation_id = f.conversation_id AND b.id < f.id)
    ORDER BY f.id LIMIT 1 FOR UPDATE SKIP LOCKED
)) RETURNING id
"""


def forward(conversation: Conversation, *, kind: str, content: str, at: datetime) -> None:
    """Have this said to staff; `kind` is text or image."""
    with transaction.atomic():
        forward_all([conversation], kind=kind, content=content, at=at)
        Conversation.objects.filter(pk=conversation.pk, said_at__lt=at).update(said_at=at)


def forward_all(conversations: Iterable[Conversation], *, kind: str, content: str, at: datetime) -> None:
    """Have this said to staff in each of these talks; it keeps none of them open."""
    with transaction.atomic():
        ForwardedMessage.objects.bulk_create(
            ForwardedMessage(conversation=one, kind=kind, content=content[:4000], said_at=at, retry_at=at)
            for one in conversations
        )
        wake(FORWARD)


@sweep
def forward_waiting() -> int:
    """Hand over what waits, and return how many tries were made; the rest waits when customer service is away."""
    service, count = CustomerService.from_settings(), 0
    while message := _claim(timezone.now()):
        count += 1
        if not _hand_over(message, service):
            break
    return count


def _claim(at: datetime) -> ForwardedMessage | None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"at": at, "until": at + IN_HAND})
        row = cursor.fetchone()
    return ForwardedMessage.objects.select_related("conversation__user").get(pk=row[0]) if row else None


def _hand_over(message: ForwardedMessage, service: CustomerService) -> bool:
    """Hand over one message; return whether customer service answered, so that the next one is worth a try."""
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
        _take_refusal(message, str(refusal), timezone.now())
    except OutsideError as error:
        logger.warning("A message did not reach customer service: %s", error)
        _take_failure(message, str(error), timezone.now())
        return False
    else:
        _settle(message, Status.SENT, "", timezone.now())
    return True


def _settle(message: ForwardedMessage, status: ForwardedMessage.Status, reason: str, at: datetime) -> bool:
    waiting = ForwardedMessage.objects.filter(pk=message.pk, status=Status.WAITING)
    return bool(waiting.update(status=status, settled_at=at, try_count=message.try_count + 1, reason=reason[:200]))


def _take_refusal(message: ForwardedMessage, reason: str, at: datetime) -> None:
    """An answer that will hardly change: a few tries, so that the talk goes on."""
    if message.try_count + 1 >= MOST_REFUSALS:
        _give_up(message, _REFUSED, reason, at)
    else:
        _put_off(message, reason, at)


def _take_failure(message: ForwardedMessage, reason: str, at: datetime) -> None:
    """Try for a day; the user hears of the first failure of a conversation, once."""
    if at - message.said_at >= GIVE_UP_AFTER:
        _give_up(message, _TOO_LATE, reason, at)
        return
    with transaction.atomic():
        _put_off(message, reason, at)
        _tell_once(message.conversation, _AWAY, at, dedupe_key=f"customer_service_away:{message.conversation_id}")


def _put_off(message: ForwardedMessage, reason: str, at: datetime) -> None:
    pause = RETRY_AFTER[min(message.try_count, len(RETRY_AFTER) - 1)]
    ForwardedMessage.objects.filter(pk=message.pk, status=Status.WAITING).update(
        retry_at=at + timedelta(seconds=pause), try_count=message.try_count + 1, reason=reason[:200]
    )


def _give_up(message: ForwardedMessage, words: str, reason: str, at: datetime) -> None:
    with transaction.atomic():
        if _settle(message, Status.GIVEN_UP, reason, at):
            moment = f"{timezone.localtime(message.said_at):%H:%M}"
            told = f"customer_service_given_up:{message.message_no}"
            _tell_once(message.conversation, words.format(moment=moment), at, dedupe_key=told)


def _tell_once(conversation: Conversation, words: str, at: datetime, *, dedupe_key: str) -> None:
    robot = latest_robot_of(conversation.user)
    if robot is not None:
        outbox.tell_user(
            robot=robot,
            user_code=str(conversation.user.code),
            content=outbox.text(words),
            cause=f"customer_service:{conversation.user_id}",
            at=at,
            dedupe_key=dedupe_key,
        )
