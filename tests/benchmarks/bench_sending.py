"""Sending, compared with a bare HTTP client without a database, and with a bare claim loop without a gateway.

- The HTTP floor posts a body that was encoded beforehand to the same gateway with as many calls at a time, and reads the
  answers. Our sender claims the rows, encodes the bodies, posts them, and stores attempts and statuses.
  With a gateway that answers in 10 ms both wait for it. With 1 ms the rows take most of our time (0.06 of 0.1 ms of processor
  a message), so there the floor with a bar writes the rows too.
- The claim floor claims 200 rows at a time with `FOR UPDATE SKIP LOCKED`, marks them as sent and inserts their attempts, in
  three bare statements that write the same rows. Our sender also finds the first message of each ordering key, keeps to the rate
  limit, encodes the bodies and sends the signal; its gateway answers without a network.
"""

import multiprocessing
import uuid
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from io import BytesIO

import orjson
import pycurl
from django.conf import settings
from django.db import connection
from django.test.utils import override_settings

from integrations.gateway.calls import GatewayCall
from integrations.gateway.pool import CallResult
from robots.models import OutboxMessage, Robot
from robots.outbox.rate_limit import RateLimiter
from robots.outbox.sender import Sender
from tests.benchmarks.harness import compare, run
from tests.benchmarks.running_gateway import running_gateway

KEYS, PER_KEY, ROBOTS = 4_000, 3, 50
COUNT = KEYS * PER_KEY
CONCURRENCY = 64

WRITE = """
INSERT INTO robots_outboxmessage (message_no, operation, robot_id, group_code, user_code, ordering_key, mentions, content, source_type, source_id,
    status, is_held, created_at, not_before, next_attempt_at, attempts, last_error)
SELECT gen_random_uuid(), 'send', r.id, 'group-' || n %% %(keys)s, '', 'g:group-' || n %% %(keys)s, '[]',
    '{"type": 3, "content": "一条普通长度的群消息，介绍今天的活动和参加的办法。"}', 'problem', 'benchmark',
    0, false, now(), now(), now(), 0, ''
FROM generate_series(1, %(count)s) n
JOIN (SELECT id, row_number() OVER (ORDER BY code) - 1 AS place FROM robots_robot) r ON r.place = n %% %(keys)s %% %(robots)s
ORDER BY n
"""
BARE_CLAIM = """
UPDATE robots_outboxmessage SET lease = %s, leased_until = now() + interval '30 seconds'
WHERE id IN (SELECT id FROM robots_outboxmessage WHERE status = 0 AND NOT is_held AND lease IS NULL
             ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED)
RETURNING id, message_no, robot_id, group_code, content
"""
BARE_DONE = """
UPDATE robots_outboxmessage SET status = 1, attempts = 1, finished_at = now(), lease = NULL, leased_until = NULL
WHERE id = ANY(%s)
"""
BARE_ATTEMPTS = """
INSERT INTO robots_messageattempt (message_id, lease, outcome, answer, tried_at)
SELECT id, %s, 'done', '', now() FROM unnest(%s) AS id
"""


def write() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE robots_messageattempt, robots_outboxmessage CASCADE")
        cursor.execute(WRITE, {"keys": KEYS, "count": COUNT, "robots": ROBOTS})
        cursor.execute("ANALYZE robots_outboxmessage")


class AtOnce:
    """A gateway pool without a network, in which every call succeeds at once."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency, self.done = concurrency, []

    def __enter__(self) -> "AtOnce":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, calls: list[tuple[Hashable, GatewayCall]]) -> None:
        self.done += [CallResult(key, None) for key, call in calls if orjson.dumps(call.body)]

    def results(self, **_: object) -> list[CallResult]:
        done, self.done = self.done, []
        return done

    def close(self) -> None:
        pass

    def interrupt(self) -> None:
        pass


def no_limit() -> RateLimiter:
    return RateLimiter(RateLimiter.from_settings().redis, 0)


def send_over_http() -> None:
    with Sender(rate_limiter=no_limit()) as sender:
        assert sender.drain() == COUNT


def bare_http() -> None:
    body = orjson.dumps(
        {
            "robot_id": "robot-1",
            "group_id": "group-1000",
            "users": [],
            "all": False,
            "messages": [
                {
                    "type": 3,
                    "content": "一条普通长度的群消息，介绍今天的活动和参加的办法。",
                    "message_no": str(uuid.uuid4()),
                }
            ],
        }
    )
    multi, free, left = pycurl.CurlMulti(), [], COUNT
    for _ in range(CONCURRENCY):
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, f"{settings.GATEWAY_BASE_URL}/gbot/send_group_message")
        curl.setopt(pycurl.HTTPHEADER, ["Content-Type: application/json", "Expect:"])
        curl.setopt(pycurl.POSTFIELDS, body)
        free.append(curl)
    responses: dict[pycurl.Curl, BytesIO] = {}
    while left or responses:
        while left and free:
            curl = free.pop()
            responses[curl] = BytesIO()
            curl.setopt(pycurl.WRITEDATA, responses[curl])
            multi.add_handle(curl)
            left -= 1
        multi.perform()
        more = 1
        while more:
            more, done, broken = multi.info_read()
            assert not broken
            for curl in done:
                multi.remove_handle(curl)
                orjson.loads(responses.pop(curl).getvalue())
                free.append(curl)
        if not (left and free):
            multi.select(0.01)


def send_at_once() -> None:
    with Sender(pool=AtOnce(200), rate_limiter=no_limit()) as sender:  # type: ignore[arg-type]
        assert sender.drain() == COUNT


def send_with_two() -> None:
    """Send the same rows with two sender processes."""
    connection.close()
    start = multiprocessing.get_context("fork").Process
    senders = [start(target=_send_as_one_of_two) for _ in range(2)]
    for process in senders:
        process.start()
    for process in senders:
        process.join()
    assert not OutboxMessage.objects.waiting().exists()


def send_with_one() -> None:
    connection.close()
    process = multiprocessing.get_context("fork").Process(target=send_at_once)
    process.start()
    process.join()


def _send_as_one_of_two() -> None:
    with Sender(pool=AtOnce(200), rate_limiter=no_limit()) as sender:  # type: ignore[arg-type]
        while OutboxMessage.objects.waiting().exists():
            sender.drain()


def bare_claims() -> None:
    with connection.cursor() as cursor:
        while True:
            lease = uuid.uuid4()
            cursor.execute(BARE_CLAIM, [lease])
            ids = [row[0] for row in cursor.fetchall()]
            if not ids:
                return
            cursor.execute(BARE_DONE, [ids])
            cursor.execute(BARE_ATTEMPTS, [lease, ids])


def bare_claims_and_http() -> None:
    bare_claims()
    bare_http()


@contextmanager
def gateway(seconds: float) -> Iterator[None]:
    with (
        running_gateway(seconds) as address,
        override_settings(GATEWAY_BASE_URL=address, SENDER_CONCURRENCY=CONCURRENCY),
    ):
        yield


def main() -> None:
    Robot.objects.bulk_create(Robot(code=f"robot-{n}", name=f"robot-{n}") for n in range(ROBOTS))
    with gateway(0.01):
        compare(
            f"{COUNT} messages, gateway answering in 10 ms",
            ours=send_over_http,
            floor=bare_http,
            prepare=write,
            at_least=0.8,
        )
    with gateway(0.001):
        what = f"{COUNT} messages, gateway answering in 1 ms"
        compare(what, ours=send_over_http, floor=bare_http, prepare=write)
        compare(
            f"{what} (of a bare claim and a bare call)",
            ours=send_over_http,
            floor=bare_claims_and_http,
            prepare=write,
            at_least=0.6,
        )
    compare(
        f"{COUNT} messages, gateway answering at once",
        ours=send_at_once,
        floor=bare_claims,
        prepare=write,
        at_least=0.5,
    )
    compare(
        f"{COUNT} messages at once, two sender processes against one",
        ours=send_with_two,
        floor=send_with_one,
        prepare=write,
        at_least=1.1,
    )


if __name__ == "__main__":
    run(main)
