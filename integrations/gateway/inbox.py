"""The inbox: store what the gateway tells, at once and as it is. `integrations.gateway.handling` does the rest."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection, transaction

from config.api.parsers import Ambiguous
from config.platform.logging import masked
from config.platform.retention import delete_in_chunks
from config.platform.wakeups import start_soon
from integrations.http import keepable
from integrations.models import GatewayEvent

HANDLE_EVENTS = "integrations.tasks.handle_events"
KEEP_HANDLED, KEEP_LEFT = timedelta(days=30), timedelta(days=90)
DEEPEST = 50  # levels of nesting that are kept
_GROUP_COMMANDS_BY_ID = {"group_info": "id"}
_FOLLOW_THEIR_USER = {"wait_for_bind", "bind_group_success"}
# A ban and the news of who takes over name two robots, and the second makes sense only after the first.
_BANS = {"abnormal_robot", "abnormal_robot_replaced"}

# Numbered in the order in which they came, but written in that of their event_ids: two posts of the same events in
# different order do not wait for each other in a circle.
_STORE = """
INSERT INTO integrations_gatewayevent
    (id, event_id, command, body, lane, after_lane, status, received_at, try_count, retry_at, note)
SELECT e.id, e.event_id, e.command, coalesce(e.body, 'null'), e.lane, e.after_lane, 0, %(at)s, 0, %(at)s, ''
FROM (
    SELECT nextval(pg_get_serial_sequence('integrations_gatewayevent', 'id')) AS id, t.*
    FROM ROWS FROM (jsonb_to_recordset(%(events)s::jsonb)
        AS (event_id text, command text, body jsonb, lane text, after_lane text))
        WITH ORDINALITY AS t(event_id, command, body, lane, after_lane, place)
    ORDER BY t.place
) e
ORDER BY e.event_id COLLATE "C", e.id
ON CONFLICT (event_id) DO NOTHING
"""
_FORGET = """
DELETE FROM integrations_gatewayevent WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM integrations_gatewayevent WHERE status = ANY(%(over)s) AND received_at < %(before)s LIMIT %(chunk)s
))
"""


def lanes_of(command: str, body: Any) -> tuple[str, str]:
    """(`lane`, `after_lane`): whose order this event keeps, and whose earlier events it waits for."""
    if command in _BANS:
        return "bans", ""
    first = next(filter(_names_group, body), None) if isinstance(body, list) else body
    if not isinstance(first, dict):
        return "", ""
    group = _code(first.get(_GROUP_COMMANDS_BY_ID.get(command, "group_id")))
    user = _code(first.get("user_id"))
    if group:
        return f"g:{group}", f"u:{user}" if user and command in _FOLLOW_THEIR_USER else ""
    if user:
        return f"u:{user}", ""
    robot = _code(first.get("robot_id"))
    return (f"r:{robot}", "") if robot else ("", "")


def _names_group(one: Any) -> bool:
    return isinstance(one, dict) and bool(_code(one.get("group_id")))


def _code(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()[:128]


def store(events: Sequence[Mapping[str, Any]], *, at: datetime) -> int:
    """Keep these events, each `event_id` once; how many were new. Handling starts when this commits."""
    words: dict[str, Any] = {"events": _as_json([_row(event) for event in events]), "at": at}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_STORE, words)
        stored = int(cursor.rowcount)
        start_soon(HANDLE_EVENTS)
    return stored


def keep_refused(items: Sequence[tuple[Any, str]], *, at: datetime) -> None:
    """Keep what was sent as an event and is none, with the reason, for operators. The same is kept once."""
    rows = []
    for item, reason in items:
        cleaned = clean({"repeated": item.field} if isinstance(item, Ambiguous) else item)
        body = cleaned if isinstance(cleaned, dict) else {"item": cleaned}
        command = body.get("command")
        digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
        rows.append(
            GatewayEvent(
                event_id=f"refused:{digest}",
                command=command[:64] if isinstance(command, str) else "",
                body=body,
                status=GatewayEvent.Status.REFUSED,
                received_at=at,
                retry_at=at,
                settled_at=at,
                note=keepable(masked(reason)),
            )
        )
    GatewayEvent.objects.bulk_create(sorted(rows, key=lambda row: row.event_id), ignore_conflicts=True)


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    lane, after_lane = lanes_of(event["command"], event["body"])
    return {**event, "lane": lane, "after_lane": after_lane}


def _as_json(rows: list[dict[str, Any]]) -> str:
    """JSON that PostgreSQL can keep. Nearly all is so as it came; only what is not is gone through."""
    try:
        raw = orjson.dumps(rows)
    except TypeError:  # a lone surrogate, a huge number, a bottomless nesting
        raw = b""
    if not raw or b"\\u0000" in raw:
        raw = orjson.dumps([clean(row) for row in rows])
    return raw.decode()


def clean(value: Any, depth: int = 0) -> Any:
    """The gateway's words as PostgreSQL keeps them: no NUL, no lone surrogates, no huge or infinite numbers, not too deep."""
    if isinstance(value, str):
        return keepable(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):  # JSON writes 1e999
        return None
    if not isinstance(value, list | dict):
        return value
    if depth > DEEPEST:
        return "…"
    if isinstance(value, list):
        return [clean(item, depth + 1) for item in value]
    return {clean(key): clean(item, depth + 1) for key, item in value.items()}


def replay(event: GatewayEvent, *, at: datetime) -> bool:
    """Have a parked, ignored or unknown event handled again; false when it is not at rest."""
    resting = [GatewayEvent.Status.FAILED, GatewayEvent.Status.IGNORED, GatewayEvent.Status.UNKNOWN]
    with transaction.atomic():
        changed = GatewayEvent.objects.filter(pk=event.pk, status__in=resting).update(
            status=GatewayEvent.Status.WAITING, settled_at=None, try_count=0, retry_at=at, note=""
        )
        start_soon(HANDLE_EVENTS)
    return bool(changed)


def forget_old(*, at: datetime) -> int:
    """Delete handled and ignored events after 30 days, those that operators may need after 90."""
    handled = [GatewayEvent.Status.HANDLED, GatewayEvent.Status.IGNORED]
    left = [GatewayEvent.Status.FAILED, GatewayEvent.Status.UNKNOWN, GatewayEvent.Status.REFUSED]
    return _forget(handled, at - KEEP_HANDLED) + _forget(left, at - KEEP_LEFT)


def _forget(over: list[GatewayEvent.Status], before: datetime) -> int:
    return delete_in_chunks(_FORGET, before=before, over=[int(status) for status in over])
