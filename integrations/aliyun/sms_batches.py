"""Batches of text messages: one row per phone, sent in the background, and never twice to one phone."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from config.platform.queues import Backoff
from config.platform.sweeps import sweep
from config.platform.wakeups import start_soon
from integrations.aliyun.sms import AliyunSms, PhoneBusy
from integrations.http import Busy, OutsideError, Refused, Unavailable
from integrations.models import TextMessage

MAX_ATTEMPTS = 30  # half an hour while Aliyun is unavailable, more than a day of its flow control
WHEN_UNAVAILABLE = Backoff((timedelta(minutes=1),), MAX_ATTEMPTS)
WHEN_BUSY = Backoff(tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 30, 60)), MAX_ATTEMPTS)
LEASE = timedelta(minutes=2)  # longer than a call takes
Status = TextMessage.Status


def queue(*, phones: Sequence[str], content: str, at: datetime) -> int:
    """Queue one text message for each of these numbers. Returns how many different numbers there are."""
    batch = uuid.uuid4()
    rows = [
        TextMessage(batch=batch, phone=phone, content=content, created_at=at, next_attempt_at=at)
        for phone in dict.fromkeys(phones)
    ]
    with transaction.atomic():
        TextMessage.objects.bulk_create(rows)
        start_soon(TextMessage.worker_task)
    return len(rows)


@sweep
def send_waiting() -> int:
    """Send the waiting messages until SMS is unavailable. Returns the number of attempts.

    Messages that a killed worker was sending end as UNKNOWN.
    """
    TextMessage.objects.interrupted().finish_all(at=timezone.now(), status=Status.UNKNOWN, error="发送时被中断")
    sms, count = AliyunSms.from_settings(), 0
    never_leased = TextMessage.objects.filter(leased_until=None)
    while claimed := never_leased.claim(at=timezone.now(), lease=LEASE, backoff=WHEN_UNAVAILABLE):
        count += 1
        if not _send(claimed[0], sms):
            break
    return count


def _send(message: TextMessage, sms: AliyunSms) -> bool:
    """Send one message. Returns whether the next message may be sent now."""
    jobs = TextMessage.objects
    try:
        sms.send(message.phone, settings.SMS_TEXT_TEMPLATE, {"content": message.content})
    except Unavailable as error:  # certainly not sent
        backoff = WHEN_BUSY if isinstance(error, Busy) else WHEN_UNAVAILABLE
        jobs.retry(message, backoff, at=timezone.now(), error=str(error))
        return isinstance(error, PhoneBusy)
    except Refused as error:
        jobs.fail(message, at=timezone.now(), error=str(error))
    except OutsideError as error:
        jobs.finish(message, at=timezone.now(), status=Status.UNKNOWN, error=str(error))
        return False
    else:
        jobs.finish(message, at=timezone.now())
    return True
