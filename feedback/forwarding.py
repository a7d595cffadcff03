"""Forwarding of users' messages to customer service, each stored first and tried until it is accepted.

A conversation keeps its order: each message waits for the message before it. A message whose worker was killed is forwarded
again, and customer service recognizes it by its number.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from config.platform.queues import Backoff
from config.platform.sweeps import sweep
from config.platform.wakeups import start_soon
from feedback.models import Conversation, ForwardedMessage
from integrations.aliyun.customer_service import CustomerService
from integrations.http import OutsideError, Refused
from robots.friendships import latest_robot_of
from robots.models import Source, SourceType
from robots.outbox import writing

logger = logging.getLogger(__name__)

# A message is refused three times or fails for a day, with 750 attempts, before attempts are limited.
BACKOFF = Backoff(tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 60, 120)), max_attempts=1000)
FAIL_AFTER = timedelta(hours=24)  # users do not wait longer for an answer
MOST_REFUSALS = 3  # attempts at a refused message, for which the next messages of the conversation wait
LEASE = timedelta(seconds=30)  # longer than a call takes
_AWAY = "客服系统暂时连不上。你的消息已记下，恢复后会马上转给客服。"
_REFUSED = "你 {moment} 发给客服的消息没有送达：客服系统不接受它。请换个说法再发一次。"
_TOO_LATE = "你 {moment} 发给客服的消息没有送达：客服系统一整天都连不上。还需要帮助？回复「菜单」再选 5。"


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
                conversation=conversation, kind=kind, content=content[:4000], written_at=at, next_attempt_at=at
            )
            for conversation in conversations
        )
        start_soon(ForwardedMessage.worker_task)


@sweep
def forward_waiting() -> int:
    """Forward waiting messages, until none is left or customer service is unavailable. Returns how many attempts."""
    service, count = CustomerService.from_settings(), 0
    messages = ForwardedMessage.objects.select_related("conversation__user")
    while claimed := messages.claim(at=timezone.now(), lease=LEASE, backoff=BACKOFF):
        count += 1
        if not _forward(claimed[0], service):
            break
    return count


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
        ForwardedMessage.objects.finish(message, at=timezone.now())
    return True


def _handle_refusal(message: ForwardedMessage, error: str, at: datetime) -> None:
    """Retry a refused message, and fail it after three attempts: the answer rarely changes, and the next ones wait."""
    if message.attempts >= MOST_REFUSALS:
        _fail(message, _REFUSED, error, at)
    else:
        ForwardedMessage.objects.retry(message, BACKOFF, at=at, error=error)


def _handle_failure(message: ForwardedMessage, error: str, at: datetime) -> None:
    """Retry for a day, then fail the message. The user is notified of the first failure of a conversation, once."""
    if at - message.written_at >= FAIL_AFTER:
        _fail(message, _TOO_LATE, error, at)
        return
    idempotency_key = f"customer_service_away:{message.conversation_id}"
    with transaction.atomic():
        if ForwardedMessage.objects.retry(message, BACKOFF, at=at, error=error):
            _notify_user_once(message.conversation, _AWAY, at, idempotency_key=idempotency_key)


def _fail(message: ForwardedMessage, text: str, error: str, at: datetime) -> None:
    idempotency_key = f"customer_service_failed:{message.message_no}"
    with transaction.atomic():
        if ForwardedMessage.objects.fail(message, at=at, error=error):
            moment = f"{timezone.localtime(message.written_at):%H:%M}"
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
