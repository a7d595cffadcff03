"""Real sender processes with their own PostgreSQL and Redis, which tests kill and restart.

Run as a process (`python -m tests.support.senders`), it sets up Django once and forks a child for each order: a line of
JSON, [function, argument]. It responds with the child's process id.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2

from config.local.embedded import EmbeddedServices
from tests.support.prepared import copy_prepared
from tests.support.processes import start_process, watch_servers
from tests.support.servers import WithServers

LEASE_SECONDS = 1.5


class SenderProcesses(WithServers):
    """PostgreSQL and Redis for one test module, and the sender processes that it starts."""

    def __init__(self, run_dir: Path, gateway_url: str) -> None:
        copy_prepared(run_dir)
        self.services = EmbeddedServices(run_dir, durable=False)
        self.services.start()
        (run_dir / "static").mkdir()
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        watch_servers(run_dir)
        self.parent = start_process(
            [sys.executable, "-m", "tests.support.senders"],
            "senders",
            env=kept
            | {
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "RUN_DIR": str(run_dir),
                "GATEWAY_BASE_URL": gateway_url,
                "SENDER_CONCURRENCY": "16",
                "ROBOT_MESSAGES_PER_MINUTE": "100000",  # never reached, but counted
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.senders: list[int] = []

    def order(self, what: str, argument: Any = None) -> int:
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        self.parent.stdin.write(json.dumps([what, argument]) + "\n")
        self.parent.stdin.flush()
        return int(self.parent.stdout.readline())

    def run(self, what: str, argument: Any = None) -> None:
        """Run a function in a child and wait for its end."""
        pid = self.order(what, argument)
        while _runs(pid):
            time.sleep(0.02)

    def start_sender(self, *, clock_jumps_by: int = 0, is_patient: bool = False) -> int:
        """Start a sender. `is_patient`: its timeouts are so long that it repeats no call even on a busy machine."""
        self.senders.append(self.order("send", [clock_jumps_by, is_patient]))
        return self.senders[-1]

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        self.senders.remove(pid)
        assert _runs(pid), "a sender ended by itself"
        os.kill(pid, number)
        while _runs(pid):
            time.sleep(0.01)

    def forget(self) -> None:
        """Kill all senders and empty the outbox."""
        for pid in list(self.senders):
            self.kill(pid)
        self.sql("TRUNCATE robots_messageattempt, robots_outboxmessage, robots_robot CASCADE")

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with self.transaction() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with closing(psycopg2.connect(self.postgres.url)) as connection, connection, connection.cursor() as cursor:
            yield cursor

    def states(self) -> dict[int, int]:
        """Return the number of messages by status."""
        return dict(self.sql("SELECT status, count(*) FROM robots_outboxmessage GROUP BY status"))

    def close(self) -> None:
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        for pid in list(self.senders):
            self.kill(pid)
        self.parent.stdin.close()
        self.parent.wait(10)
        self.parent.stdout.close()
        self.services.stop()


def _runs(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


# The following functions run in the parent of the senders and in its children.


def _write(counts: list[int]) -> None:
    """Write messages to groups: the number of messages of each group, and the number of groups, in turn."""
    from django.utils import timezone  # noqa: PLC0415

    from robots.models import OutboxMessage, Robot, SourceType  # noqa: PLC0415
    from robots.outbox import writing  # noqa: PLC0415

    count, groups = counts
    robot, _ = Robot.objects.get_or_create(code="sandbox-robot-1", defaults={"name": "小助手"})
    now = timezone.now()
    OutboxMessage.objects.bulk_create(
        OutboxMessage(
            robot=robot,
            group_code=f"g{group}",
            ordering_key=f"g:g{group}",
            content=writing.text(str(number)),
            source_type=SourceType.PROBLEM,
            source_id="fault",
            created_at=now,
            not_before=now,
            next_attempt_at=now,
        )
        for number in range(count)
        for group in range(groups)
    )


def _write_as_product(text: str) -> None:
    """Write one message like the product, with the notification to senders."""
    from django.utils import timezone  # noqa: PLC0415

    from robots.models import Robot, Source, SourceType  # noqa: PLC0415
    from robots.outbox import writing  # noqa: PLC0415

    robot, _ = Robot.objects.get_or_create(code="sandbox-robot-1", defaults={"name": "小助手"})
    writing.message_group(
        robot=robot,
        group_code="g0",
        content=writing.text(text),
        source=Source(SourceType.PROBLEM, "fault"),
        at=timezone.now(),
    )


def _send(how: tuple[int, bool]) -> None:
    import time_machine  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    clock_jumps_by, is_patient = how
    settings.GATEWAY_TIMEOUT, settings.SENDER_LEASE_SECONDS = (20.0, 30.0) if is_patient else (1.0, LEASE_SECONDS)

    def jump() -> None:
        time_machine.travel(timezone.now() + timedelta(seconds=clock_jumps_by), tick=True).start()

    if clock_jumps_by:
        threading.Timer(0.5, jump).start()
    call_command("send")


def main() -> None:
    import django  # noqa: PLC0415

    from config.local.processes import die_with_parent  # noqa: PLC0415

    django.setup()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps ended children
    work = {"write": _write, "write as product": _write_as_product, "send": _send}
    for line in sys.stdin:
        what, argument = json.loads(line)
        pid = os.fork()
        if pid == 0:
            die_with_parent(signal.SIGKILL)
            work[what](argument)
            sys.stderr.flush()
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
