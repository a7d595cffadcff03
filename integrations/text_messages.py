"""Texting many phones: a row each, sent in the background, nobody twice."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from config.sweeps import sweep
from config.waking import wake
from integrations.http import OutsideError, Refused, Unavailable
from integrations.models import TextMessage
from integrations.sms import AliyunSms

SEND_TEXTS = "integrations.tasks.send_texts"
RETRY_AFTER = timedelta(minutes=1)
MOST_TRIES = 30  # half an hour of Aliyun being away
STUCK_AFTER = timedelta(minutes=2)  # longer than a call takes
Status = TextMessage.Status


def queue(*, phones: Sequence[str], content: str, at: datetime) -> int:
    """Text each of these numbers once; how many that are."""
    batch = uuid.uuid4()
    rows = [
        TextMessage(batch=batch, phone=phone, content=content, created_at=at, retry_at=at)
        for phone in dict.fromkeys(phones)
    ]
    with transaction.atomic():
        TextMessage.objects.bulk_create(rows)
        wake(SEND_TEXTS)
    return len(rows)


@sweep
def send_waiting() -> int:
    """Send what waits, and return how many tries were made; the rest waits when SMS is away.

    What a killed worker was sending ends as unknown.
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
    """Send one; return whether SMS answered, so that the next one is worth a try."""
    try:
        sms.send(message.phone, settings.SMS_TEXT_TEMPLATE, {"content": message.content})
    except Unavailable as error:  # certainly not sent
        if message.try_count < MOST_TRIES:
            later = timezone.now() + RETRY_AFTER
            TextMessage.objects.filter(pk=message.pk).update(
                status=Status.WAITING, retry_at=later, reason=str(error)[:200]
            )
        else:
            _settle(message, Status.FAILED, str(error))
        return False
    except Refused as error:
        _settle(message, Status.FAILED, str(error))
    except OutsideError as error:
        _settle(message, Status.UNKNOWN, str(error))
        return False
    else:
        _settle(message, Status.SENT, "")
    return True


def _settle(message: TextMessage, status: TextMessage.Status, reason: str) -> None:
    TextMessage.objects.filter(pk=message.pk).update(status=status, settled_at=timezone.now(), reason=reason[:200])
