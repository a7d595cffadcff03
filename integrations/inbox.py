"""The inbox: store what the gateway tells, then handle it exactly once in effect, in order per lane."""

import logging
import traceback
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from config.errors import Refusal
from config.waking import wake
from integrations.events import Event, EventIgnored, subscribers_of
from integrations.models import GatewayEvent

logger = logging.getLogger(__name__)

HANDLE_EVENTS = "integrations.tasks.handle_events"
TRIES = 5
RETRY_AFTER = (1, 5, 30, 120)  # seconds after the first, second … failure
_GROUP_COMMANDS_BY_ID = {"group_info": "id"}
_FOLLOW_THEIR_USER = {"wait_for_bind", "bind_group_success"}


def _clean(value: Any) -> Any:
    """What PostgreSQL can keep: no NUL characters and no lone surrogates."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value


def _code(body: Any, name: str) -> str:
    value = body.get(name) if isinstance(body, dict) else None
    return str(value)[:128] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def lanes_of(command: str, body: Any) -> tuple[str, str]:
    """(`lane`, `after_lane`): whose order this event keeps, and whose earlier events it waits for."""
    first = body[0] if isinstance(body, list) and body else body
    group = _code(first, _GROUP_COMMANDS_BY_ID.get(command, "group_id"))
    user = _code(first, "user_id")
    robot = _code(first, "robot_id")
    if group:
        return f"g:{group}", f"u:{user}" if user and command in _FOLLOW_THEIR_USER else ""
    if user:
        return f"u:{user}", ""
    return (f"r:{robot}", "") if robot else ("", "")


def store(events: Iterable[Mapping[str, Any]], *, at: datetime) -> int:
    """Keep these events, each `event_id` once; how many were new. Handling starts when this commits."""
    rows = []
    for event in events:
        body = _clean(event["body"])
        lane, after_lane = lanes_of(event["command"], body)
        rows.append(
            GatewayEvent(
                event_id=_clean(event["event_id"]),
                command=_clean(event["command"]),
                body=body,
                lane=lane,
                after_lane=after_lane,
                received_at=at,
                retry_at=at,
            )
        )
    with transaction.atomic():
        stored = GatewayEvent.objects.bulk_create(rows, ignore_conflicts=True)
        wake(HANDLE_EVENTS)
    return len(stored)


# The oldest waiting event whose lanes have nothing older waiting. A lane's head that somebody else has in
# hand is still 'waiting' to every other snapshot, so nobody overtakes it.
_CLAIM = """
SELECT e.id FROM integrations_gatewayevent e
WHERE e.status = 0 AND e.retry_at <= %(at)s
  AND (e.lane = '' OR NOT EXISTS (
      SELECT 1 FROM integrations_gatewayevent b WHERE b.status = 0 AND b.lane = e.lane AND b.id < e.id))
  AND (e.after_lane = '' OR NOT EXISTS (
      SELECT 1 FROM integrations_gatewayevent b WHERE b.status = 0 AND b.lane = e.after_lane AND b.id < e.id))
ORDER BY e.id LIMIT 1 FOR UPDATE OF e SKIP LOCKED
"""


def handle_next(*, at: datetime) -> bool:
    """Handle one event; its effects and its mark commit together. False when nothing is to be done now."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"at": at})
        row = cursor.fetchone()
        if row is None:
            return False
        _handle(GatewayEvent.objects.get(pk=row[0]), at)
        return True


def handle_waiting() -> int:
    """Handle all that can be handled now; how many were."""
    count = 0
    while handle_next(at=timezone.now()):
        count += 1
    return count


def _handle(event: GatewayEvent, at: datetime) -> None:
    handlers = subscribers_of(event.command)
    if not handlers:
        _settle(event, GatewayEvent.Status.UNKNOWN, at, "没有处理该命令的程序")
        return
    told = Event(event.event_id, event.command, event.body, event.received_at)
    try:
        with transaction.atomic():
            for handler in handlers:
                handler(told)
    except (EventIgnored, Refusal) as reason:
        _settle(event, GatewayEvent.Status.IGNORED, at, str(reason))
    except Exception:  # noqa: BLE001 - one of the two loops that must not die
        _fail(event, at)
    else:
        _settle(event, GatewayEvent.Status.HANDLED, at, "")


def _settle(event: GatewayEvent, status: GatewayEvent.Status, at: datetime, note: str) -> None:
    GatewayEvent.objects.filter(pk=event.pk).update(
        status=status, settled_at=at, note=note[:5000], try_count=event.try_count + 1
    )


def _fail(event: GatewayEvent, at: datetime) -> None:
    """Try again later, in its lane's order; after the last try park it for operators."""
    logger.exception("Event %s (%s) failed", event.event_id, event.command)
    if event.try_count + 1 >= TRIES:
        _settle(event, GatewayEvent.Status.PARKED, at, traceback.format_exc()[-5000:])
        return
    GatewayEvent.objects.filter(pk=event.pk).update(
        try_count=event.try_count + 1,
        retry_at=at + timedelta(seconds=RETRY_AFTER[event.try_count]),
        note=traceback.format_exc()[-5000:],
    )


def replay(event: GatewayEvent, *, at: datetime) -> bool:
    """Have a parked, ignored or unknown event handled again; false when it is not at rest."""
    resting = [GatewayEvent.Status.PARKED, GatewayEvent.Status.IGNORED, GatewayEvent.Status.UNKNOWN]
    with transaction.atomic():
        changed = GatewayEvent.objects.filter(pk=event.pk, status__in=resting).update(
            status=GatewayEvent.Status.WAITING, settled_at=None, try_count=0, retry_at=at, note=""
        )
        wake(HANDLE_EVENTS)
    return bool(changed)


def forget_handled(*, before: datetime) -> int:
    """Delete handled and ignored events received before that moment; parked and unknown ones stay."""
    done = [GatewayEvent.Status.HANDLED, GatewayEvent.Status.IGNORED]
    count, _ = GatewayEvent.objects.filter(status__in=done, received_at__lt=before).delete()
    return count
