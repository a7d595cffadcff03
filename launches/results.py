"""Telling the launch system how each delivery ended, until it has accepted that."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from enum import Enum

from django.db import transaction
from django.utils import timezone

from integrations.http import OutsideError, Refused
from integrations.launch_system import LaunchSystem
from launches.models import Delivery

BATCH = 200
CALLS_AT_ONCE = 8
IN_HAND = timedelta(minutes=3)  # longer than a batch of calls that all time out
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)


class Answer(Enum):
    """What came of telling one result."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NONE = "none"  # it is away, or did not say


def report_due(system: LaunchSystem | None = None) -> int:
    """Report what is due; how many results were accepted. Comes back later when the launch system is away."""
    system, count = system or LaunchSystem.from_settings(), 0
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        while batch := _claim(timezone.now()):
            answers = list(pool.map(lambda delivery: _tell(system, delivery), batch))
            _note(batch, answers, timezone.now())
            count += answers.count(Answer.ACCEPTED)
            if set(answers) == {Answer.NONE}:
                break
    return count


def _claim(at: datetime) -> list[Delivery]:
    """Take the next results in hand; a killed worker's come up again by themselves."""
    due = Delivery.objects.filter(result_due_at__lte=at).order_by("result_due_at", "pk")
    with transaction.atomic():
        batch = list(due.select_for_update(skip_locked=True, of=("self",)).select_related("launch")[:BATCH])
        Delivery.objects.filter(pk__in=[one.pk for one in batch]).update(result_due_at=at + IN_HAND)
    return batch


def _tell(system: LaunchSystem, delivery: Delivery) -> Answer:
    """It knows two results only: what was skipped was not sent."""
    is_sent = delivery.status == Delivery.Status.SENT
    try:
        system.report(launch=delivery.launch.task_id, group=delivery.reference, sent=is_sent)
    except Refused:
        return Answer.REFUSED
    except OutsideError:
        return Answer.NONE
    return Answer.ACCEPTED


def _note(batch: Sequence[Delivery], answers: Sequence[Answer], at: datetime) -> None:
    """Write down what was accepted and when to try the others. One that ended anew meanwhile is reported again."""
    with transaction.atomic():
        said = {delivery.pk: (delivery, answer) for delivery, answer in zip(batch, answers, strict=True)}
        for row in Delivery.objects.select_for_update().filter(pk__in=said).order_by("pk"):
            told, answer = said[row.pk]
            if row.status != told.status:
                continue
            if answer == Answer.ACCEPTED:
                row.result_due_at, row.reported_at = None, at
                row.result_sent = told.status == Delivery.Status.SENT
            else:
                row.result_due_at = at + _pause(row.result_try_count)
            row.result_try_count = min(row.result_try_count + 1, 1000)
            row.save(update_fields=["result_due_at", "reported_at", "result_sent", "result_try_count"])


def _pause(try_count: int) -> timedelta:
    return min(FIRST_PAUSE * 2 ** min(try_count, 12), LONGEST_PAUSE)
