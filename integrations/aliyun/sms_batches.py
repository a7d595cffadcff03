"""Batches of text messages: one row per phone, sent in the background, and never twice to one phone."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from config.platform.sweeps import sweep
from config.platform.wakeups import start_soon
from integrations.aliyun.sms import AliyunSms, PhoneBusy
from integrations.http import Busy, OutsideError, Refused, Unavailable
from integrations.models import TextMessage

SEND_TEXTS = "integrations.tasks.send_texts"
RETRY_AFTER = timedelta(minutes=1)
MAX_ATTEMPTS = 30  # half an hour while Aliyun is unavailable, more than a day of its flow control
BUSY_DELAYS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 30, 60)
)  # after the first, second … Busy
STUCK_AFTER = timedelta(minutes=2)  # longer than a call takes
Status = TextMessage.Status


def queue(*, phones: Sequence[str], content: str, at: datetime) -> int:
    """Queue one text message for each of these numbers. Returns how many different numbers there are."""
    batch = uuid.uuid4()
    rows = [
        TextMessage(batch=batch, phone=phone, content=content, created_at=at, retry_at=at)
        for phone in dict.fromkeys(phones)
    ]
    with transaction.atomic():
        TextMessage.objects.bulk_create(rows)
        start_soon(SEND_TEXTS)
    return len(rows)


@sweep
def send_waiting() -> int:
    """Send the waiting messages until SMS is unavailable. Returns the number of attempts.

    Messages that a killed worker was sending end as UNKNOWN.
    """
    now = timezone.now()
    stuck = TextMessage.objects.filter(status=Status.SENDING, retry_at__lt=now - STUCK_AFTER)
    stuck.update(status=Status.UNKNOWN, settled_at=now, reason="发送时被中断")
    sms, count = AliyunSms.from_settings(), 0
    while message := _claim(timezone.now()):
        count += 1
        if not _send(message, sms):
            break
    return count


def _claim(at: datetime) -> TextMessage | None:
    with transaction.atomic():
        due = TextMessage.objects.filter(status=Status.WAITING, retry_at__lte=at).order_by("id")
        message = due.select_for_update(skip_locked=True).first()
        if message is not None:
            message.status, message.retry_at, message.try_count = Status.SENDING, at, message.try_count + 1
            message.save(update_fields=["status", "retry_at", "try_count"])
        return message


def _send(message: TextMessage, sms: AliyunSms) -> bool:
    """Send one message. Returns whether the next message may be sent now."""
    try:
        sms.send(message.phone, settings.SMS_TEXT_TEMPLATE, {"content": message.content})
    except Unavailable as error:  # certainly not sent
        _postpone(message, error)
        return isinstance(error, PhoneBusy)
    except Refused as error:
        _finish(message, Status.FAILED, str(error))
    except OutsideError as error:
        _finish(message, Status.UNKNOWN, str(error))
        return False
    else:
        _finish(message, Status.SENT, "")
    return True


def _postpone(message: TextMessage, error: Unavailable) -> None:
    """Have a message tried again later. After MAX_ATTEMPTS it is FAILED, and an operator may retry it."""
    if message.try_count >= MAX_ATTEMPTS:
        _finish(message, Status.FAILED, str(error))
        return
    pause = BUSY_DELAYS[min(message.try_count, len(BUSY_DELAYS)) - 1] if isinstance(error, Busy) else RETRY_AFTER
    TextMessage.objects.filter(pk=message.pk).update(
        status=Status.WAITING, retry_at=timezone.now() + pause, reason=str(error)[:200]
    )


def retry_texts(messages: QuerySet[TextMessage], *, at: datetime) -> int:
    """Have the FAILED ones of these messages sent again. Returns how many there were.

    UNKNOWN ones are left out, because they may have arrived.
    """
    with transaction.atomic():
        failed = messages.filter(status=Status.FAILED)
        done = failed.update(status=Status.WAITING, retry_at=at, settled_at=None, try_count=0, reason="")
        if done:
            start_soon(SEND_TEXTS)
    return done


def _finish(message: TextMessage, status: TextMessage.Status, reason: str) -> None:
    TextMessage.objects.filter(pk=message.pk).update(status=status, settled_at=timezone.now(), reason=reason[:200])
