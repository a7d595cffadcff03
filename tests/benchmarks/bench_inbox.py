"""The inbox: storing against COPY, handling of group messages against bare statements, and growth.

- COPY gets the finished text of every row. Our code reads the events, finds their ordering keys, encodes the bodies, skips events
  that are stored already, and starts the worker.
- The bare handling claims 100 events with `FOR UPDATE SKIP LOCKED`, stores their messages and marks them in three statements.
  Ours also keeps the order of each group, finds and locks the groups, parses each body and looks for keywords and mentions.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import count
from typing import Any

import orjson
from django.db import connection, transaction
from django.utils import timezone

from config.platform import db
from groups.models import Group
from integrations.gateway import handling, inbox
from integrations.gateway.events import GroupMessageReceived
from integrations.gateway.subscriptions import Event
from keywords.models import GroupKeyword, KeywordBatch
from keywords.subscribers import reply_to_messages
from tests.benchmarks.harness import compare, report, run
from tests.factories.people import GroupFactory
from tests.support.entry_points import key_with

GROUPS, HANDLED = 200, 3000
_numbers = count(1)
_TEXT = "大家好，今天晚上八点直播，欢迎来看看新到的水果，价格也很实惠，有需要的可以接龙哦"
_COPY = """
COPY integrations_gatewayevent (event_id, command, body, ordering_key, depends_on_key, status, received_at, attempts,
    next_attempt_at, note) FROM STDIN
"""
_BARE_CLAIM = """
SELECT id FROM integrations_gatewayevent WHERE status = 0 ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
"""
_BARE_KEEP = """
INSERT INTO groups_groupmessage (id, group_id, message_no, sender_code, is_robot, content, sent_at)
SELECT gen_random_uuid(), g.id, e.body ->> 'message_no', e.body ->> 'user_id', false,
    jsonb_build_object('type', 3, 'content', e.body ->> 'content'), e.received_at
FROM integrations_gatewayevent e JOIN groups_group g ON g.code = e.body ->> 'group_id' AND g.cancelled_at IS NULL
WHERE e.id = ANY(%s)
"""
_BARE_MARK = """
UPDATE integrations_gatewayevent SET status = 1, finished_at = now(), attempts = attempts + 1 WHERE id = ANY(%s)
"""


def message(group: str, command: str = "group_message") -> dict[str, Any]:
    number = next(_numbers)
    body = {
        "group_id": group,
        "user_id": f"member-{number % 50}",
        "all": False,
        "at_users": [],
        "message_no": f"no-{number}",
        "is_robot": False,
        "send_time": "2026-11-24 12:00:00",
        "type": 3,
        "content": _TEXT,
        "title": "",
        "desc": "",
        "url": "",
        "voice_time": 0,
    }
    return {"event_id": f"event-{number}", "command": command, "body": body}


def batch(command: str = "group_message", groups: int = GROUPS, size: int = 1000) -> list[dict[str, Any]]:
    return [message(f"group-{number % groups}", command) for number in range(size)]


def forget() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE integrations_gatewayevent, groups_groupmessage CASCADE")
        cursor.execute("VACUUM ANALYZE integrations_gatewayevent")


def storing() -> None:
    client, calls = key_with("gateway:events"), 5
    client.http.defaults["SERVER_NAME"] = "127.0.0.1"
    given: dict[str, list[Any]] = {}

    def prepare() -> None:
        forget()
        given["batches"] = [batch() for _ in range(calls)]
        given["bodies"] = [orjson.dumps(events) for events in given["batches"]]
        given["rows"] = ["".join(map(row, events)) for events in given["batches"]]

    def ours() -> None:
        for events in given["batches"]:
            inbox.store(events, at=timezone.now())

    def whole_call() -> None:
        for body in given["bodies"]:
            client.http.post("/gateway/events", body, content_type="application/json", headers=client.headers)

    def bare() -> None:
        for rows in given["rows"]:
            with connection.cursor() as cursor:
                cursor.copy_expert(_COPY, StringIO(rows))

    what = "storing 1,000 events (of COPY)"  # which cannot skip events that are stored already
    compare(what, ours=ours, floor=bare, prepare=prepare, at_least=0.5)
    compare(f"{what}, with the HTTP call around it", ours=whole_call, floor=bare, prepare=prepare)


def row(event: dict[str, Any]) -> str:
    """Return the line of an event in a COPY."""
    now, body = timezone.now().isoformat(), event["body"]
    columns = (event["event_id"], event["command"], orjson.dumps(body).decode(), f"g:{body['group_id']}", "")
    return "\t".join([*columns, "0", now, "0", now, ""]) + "\n"


def handling_messages() -> None:
    for number in range(GROUPS):
        GroupFactory(code=f"group-{number}")

    def prepare() -> None:
        forget()
        for _ in range(HANDLED // 1000):
            inbox.store(batch(), at=timezone.now())

    def ours() -> None:
        assert handling.handle_waiting() == HANDLED

    def bare() -> None:
        handled = 0
        while handled < HANDLED:
            with transaction.atomic():
                ids = [pk for (pk,) in db.rows(_BARE_CLAIM)]
                db.execute(_BARE_KEEP, [ids])
                handled += db.execute(_BARE_MARK, [ids])

    what = f"handling {HANDLED} group messages of {GROUPS} groups (of bare statements)"
    compare(what, ours=ours, floor=bare, prepare=prepare, at_least=0.7)
    prepare()
    began = time.perf_counter()
    ours()
    report(
        f"    {HANDLED / (time.perf_counter() - began):.0f} messages a second by one worker thread (at least 300)"
    )


def handling_a_backlog() -> None:
    """Handle as many messages of five groups with 10,000 waiting each as of many groups with a few each."""

    def waiting(groups: int, each: int) -> Callable[[], None]:
        def prepare() -> None:
            forget()
            for _ in range(groups * each // 1000):
                inbox.store(batch(groups=groups), at=timezone.now())
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE integrations_gatewayevent")

        return prepare

    def handle() -> None:
        handled = 0
        while handled < HANDLED:
            handled += handling.handle_batch(at=timezone.now())[0]

    what = f"handling {HANDLED} messages of 5 groups with 10,000 waiting each (of {GROUPS} groups with {HANDLED // GROUPS})"
    deep, wide = waiting(5, 10_000), waiting(GROUPS, HANDLED // GROUPS)
    compare(what, ours=handle, floor=handle, prepare=deep, prepare_floor=wide, rounds=6, at_least=1 / 1.5)
    deep()
    with locked_elsewhere():
        began = time.perf_counter()
        assert handling.handle_waiting() == 0
        report(f"    {time.perf_counter() - began:.3f} s to find that all five groups are locked by another worker")


@contextmanager
def locked_elsewhere() -> Iterator[None]:
    """Lock the first events of all ordering keys by another connection."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT id FROM integrations_gatewayevent ORDER BY id LIMIT 500 FOR UPDATE")
        yield
    finally:
        other.close()


def many_keywords() -> None:
    """Handle the same messages in a group of one keyword and in a group of 500, among 20,000 keywords of other groups."""
    for code, wanted in (("few", 1), ("many", 500)):
        group = GroupFactory(code=code)
        add_keywords(group, [f"{code}{number}" for number in range(wanted)])
    add_keywords(GroupFactory(code="others"), [f"词语{number}" for number in range(20_000)])

    def messages(group: str) -> Callable[[], None]:
        payloads, at = [message(group)["body"] for _ in range(3000)], timezone.now()

        def handle() -> None:
            for number, payload in enumerate(payloads):
                reply_to_messages([Event(f"e{number}", GroupMessageReceived.parse(payload), at)])

        return handle

    what = "a message in a group of 500 keywords (of one in a group of 1)"
    compare(what, ours=messages("many"), floor=messages("few"), rounds=9, at_least=1 / 1.1)


def add_keywords(group: Group, keywords: list[str]) -> None:
    batch = KeywordBatch.objects.create(user=group.user, keywords=[], reply_content="x", created_at=timezone.now())
    GroupKeyword.objects.bulk_create(
        (GroupKeyword(batch=batch, group=group, folded=keyword) for keyword in keywords), batch_size=5000
    )


def main() -> None:
    storing()
    handling_messages()
    handling_a_backlog()
    many_keywords()


if __name__ == "__main__":
    run(main)
