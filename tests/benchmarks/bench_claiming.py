"""The cost of a claim with a million sent rows in the table, and with a hundred thousand waiting rows.

The floor claims the same number of messages, with the same statement, from a table of the same shape in which a thousand
rows were sent before.
"""

import time
from collections.abc import Callable

from django.db import connection
from django.utils import timezone

from robots.models import Robot
from robots.outbox.leases import claim_messages
from tests.benchmarks.harness import compare, report, run

CLAIMS = 10  # of 200 messages
WAITING = 100_000
ROBOTS = 50
ROW = """
INSERT INTO robots_outboxmessage (message_no, operation, robot_id, group_code, user_code, ordering_key, mentions, content, source_type, source_id,
    status, is_held, created_at, not_before, next_attempt_at, attempts, last_error, finished_at)
SELECT gen_random_uuid(), 'send', r.id, 'group-' || n %% %(keys)s, '', 'g:group-' || n %% %(keys)s, '[]',
    '{"type": 3, "content": "一条普通长度的群消息"}', 'problem', 'benchmark', %(status)s, false, now(), now(),
    now() + %(later)s * interval '1 hour', 0, '', CASE WHEN %(status)s = 1 THEN now() END
FROM generate_series(1, %(count)s) n
JOIN (SELECT id, row_number() OVER (ORDER BY code) - 1 AS place FROM robots_robot) r ON r.place = n %% %(robots)s
ORDER BY n
"""


def write(count: int, *, status: int, keys: int, later: int = 0) -> None:
    params = {"count": count, "status": status, "keys": keys, "later": later, "robots": ROBOTS}
    with connection.cursor() as cursor:
        cursor.execute(ROW, params)


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def in_table(schema: str, work: Callable[[], None]) -> Callable[[], None]:
    """Return the work on the outbox of that schema."""

    def work_in_schema() -> None:
        execute(f"SET search_path TO {schema}, public")
        work()

    return work_in_schema


def claim_all() -> None:
    after = 0
    for _ in range(CLAIMS):
        claimed = claim_messages(at=timezone.now(), after=after)
        assert len(claimed.messages) == 200
        after = claimed.after


def prepare() -> None:
    for schema in ("small", "public"):
        execute(f"SET search_path TO {schema}, public", "DELETE FROM robots_outboxmessage WHERE status = 0")
        execute("VACUUM robots_outboxmessage")
        write(CLAIMS * 200, status=0, keys=CLAIMS * 200)


def measure_round(what: str, *, limited_robots: list[str], **rows: int) -> None:
    """Print how long one sender takes to read all waiting messages, and the duration of the longest claim."""
    execute(
        "SET search_path TO public",
        "DELETE FROM robots_outboxmessage WHERE status = 0",
        "VACUUM robots_outboxmessage",
    )
    write(WAITING, status=0, **rows)
    times, after, claimed = [], 0, 0
    while not times or (after and len(times) < 60):
        began = time.perf_counter()
        found = claim_messages(at=timezone.now(), after=after, limited_robots=limited_robots)
        times.append(time.perf_counter() - began)
        after, claimed = found.after, claimed + len(found.messages)
    report(
        f"    {what}: {len(times)} claims took {claimed} messages, {1000 * sorted(times)[len(times) // 2]:.1f} ms each,"
        f" the longest {1000 * max(times):.1f} ms"
    )


def main() -> None:
    Robot.objects.bulk_create(Robot(code=f"robot-{n}", name=f"robot-{n}") for n in range(ROBOTS))
    execute(
        "CREATE SCHEMA small",
        "CREATE TABLE small.robots_outboxmessage (LIKE public.robots_outboxmessage INCLUDING ALL) WITH (fillfactor = 50)",
    )
    for schema, count in (("small", 1_000), ("public", 1_000_000)):
        execute(f"SET search_path TO {schema}, public")
        write(count, status=1, keys=10_000)
        execute("VACUUM ANALYZE robots_outboxmessage")
    compare(
        f"{CLAIMS} claims of 200, 1,000,000 sent rows against 1,000",
        ours=in_table("public", claim_all),
        floor=in_table("small", claim_all),
        prepare=prepare,
        at_least=1 / 1.2,
        rounds=17,  # past the first VACUUM of the partial indexes, after which plans change
    )
    report(f"{WAITING} messages wait:")
    all_robots = list(Robot.objects.values_list("code", flat=True))
    measure_round("in as many conversations", limited_robots=[], keys=WAITING)
    measure_round("in ten conversations", limited_robots=[], keys=10)
    measure_round("all for a later try", limited_robots=[], keys=10_000, later=1)
    measure_round("all robots at their rate limit", limited_robots=all_robots, keys=10_000)


if __name__ == "__main__":
    run(main)
