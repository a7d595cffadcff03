"""The inbox: stores the gateway's events unchanged, before the POST that brought them is answered.

`integrations.gateway.handling` handles them afterwards.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Concat

from config.api.parsers import Ambiguous
from config.platform.logging import masked
from config.platform.prepared import PreparedSql
from config.platform.retention import delete_in_chunks
from config.platform.wakeups import start_soon
from integrations.gateway.events import ordering_keys_of
from integrations.http import storable
from integrations.models import GatewayEvent

HANDLE_EVENTS = "integrations.tasks.handle_events"
KEEP_HANDLED, KEEP_UNRESOLVED = timedelta(days=30), timedelta(days=90)
MAX_DEPTH = 50  # levels of nesting that are stored

# Events get their ids in the order of arrival, but are inserted in the order of their event_ids, so that two POSTs of
# the same events in different order do not deadlock.
_STORE = PreparedSql(
    f"""
INSERT INTO integrations_gatewayevent
    (id, event_id, command, body, ordering_key, depends_on_key, status, received_at, attempts, next_attempt_at, note)
SELECT e.id, e.event_id, e.command, coalesce(e.body, 'null'), e.ordering_key, e.depends_on_key,
    {GatewayEvent.Status.WAITING}, %(at)s, 0, %(at)s, ''
FROM (
    SELECT nextval('integrations_gatewayevent_id_seq') AS id, t.*
    FROM ROWS FROM (jsonb_to_recordset(%(events)s::jsonb)
        AS (event_id text, command text, body jsonb, ordering_key text, depends_on_key text))
        WITH ORDINALITY AS t(event_id, command, body, ordering_key, depends_on_key, position)
    ORDER BY t.position
) e
ORDER BY e.event_id COLLATE "C", e.id
ON CONFLICT (event_id) DO NOTHING
""",  # noqa: S608 - our own SQL
    events=str,
    at=datetime,
)
_DELETE = """
DELETE FROM integrations_gatewayevent WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM integrations_gatewayevent WHERE status = ANY(%(statuses)s) AND received_at < %(before)s
    LIMIT %(chunk)s
))
"""


def store(events: Sequence[Mapping[str, Any]], *, at: datetime) -> int:
    """Store these events, each `event_id` once. Returns how many were new. Handling starts when this commits."""
    stored = _STORE.write(events=_as_json([_row(event) for event in events]), at=at)
    start_soon(HANDLE_EVENTS)
    return stored


def store_refused(items: Sequence[tuple[Any, str]], *, at: datetime) -> None:
    """Store posted items that are not valid events, with the reason, for operators. Equal items are stored once."""
    rows = []
    for item, reason in items:
        # An object with a repeated name has no unambiguous content, so only that name is stored.
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
                next_attempt_at=at,
                finished_at=at,
                note=storable(masked(reason)),
            )
        )
    GatewayEvent.objects.bulk_create(sorted(rows, key=lambda row: row.event_id), ignore_conflicts=True)


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    key, depends_on = ordering_keys_of(event["command"], event["body"])
    return {**event, "ordering_key": key, "depends_on_key": depends_on}


def _as_json(rows: list[dict[str, Any]]) -> str:
    """Return JSON that PostgreSQL can store. Only rows with unstorable values, which are rare, are cleaned."""
    try:
        raw = orjson.dumps(rows)
    except TypeError:  # a lone surrogate, a huge number, too deep nesting
        raw = b""
    if not raw or b"\\u0000" in raw:
        raw = orjson.dumps([clean(row) for row in rows])
    return raw.decode()


def clean(value: Any, depth: int = 0) -> Any:
    """Return a value as PostgreSQL can store it: without NUL, lone surrogates, huge or infinite numbers, deep nesting."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):  # JSON writes 1e999
        return None
    if not isinstance(value, list | dict):
        return value
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, list):
        return [clean(item, depth + 1) for item in value]
    return {clean(key): clean(item, depth + 1) for key, item in value.items()}


def replay(event: GatewayEvent, *, at: datetime) -> bool:
    """Have a failed, ignored or unknown event handled again. Returns whether it had one of these statuses."""
    replayable = [GatewayEvent.Status.FAILED, GatewayEvent.Status.IGNORED, GatewayEvent.Status.UNKNOWN]
    with transaction.atomic():
        changed = GatewayEvent.objects.filter(pk=event.pk, status__in=replayable).update(
            status=GatewayEvent.Status.WAITING, finished_at=None, attempts=0, next_attempt_at=at, note=""
        )
        start_soon(HANDLE_EVENTS)
    return bool(changed)


def ignore_failed(events: QuerySet[GatewayEvent], *, by: str, at: datetime) -> int:
    """Ignore the failed ones of these events, which an operator closes. Returns how many there were."""
    note = Concat(Value(f"由 {by} 关闭\n"), "note")
    failed = events.filter(status=GatewayEvent.Status.FAILED)
    return failed.update(status=GatewayEvent.Status.IGNORED, finished_at=at, note=note)


def delete_old_events(*, at: datetime) -> int:
    """Delete handled and ignored events after 30 days, events that operators may need after 90. Returns how many."""
    handled = [GatewayEvent.Status.HANDLED, GatewayEvent.Status.IGNORED]
    unresolved = [GatewayEvent.Status.FAILED, GatewayEvent.Status.UNKNOWN, GatewayEvent.Status.REFUSED]
    return _delete(handled, at - KEEP_HANDLED) + _delete(unresolved, at - KEEP_UNRESOLVED)


def _delete(statuses: list[GatewayEvent.Status], before: datetime) -> int:
    return delete_in_chunks(_DELETE, before=before, statuses=[int(status) for status in statuses])
