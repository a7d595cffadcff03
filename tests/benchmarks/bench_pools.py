"""The sender over libcurl and over plain threads with `requests`, each compared with a bare HTTP client without a database.

Both senders claim the rows, encode the bodies and store the results; only the pool that makes the calls differs. See
docs/decisions/0013-gateway-calls-through-libcurl.md.
"""

import gc

from robots.models import Robot
from robots.outbox.sender import Sender
from tests.benchmarks.bench_sending import (
    CONCURRENCY,
    COUNT,
    ROBOTS,
    bare_http,
    gateway,
    no_limit,
    send_over_http,
    write,
)
from tests.benchmarks.harness import compare, run
from tests.benchmarks.plain_pool import PlainPool


def send_with_threads() -> None:
    with Sender(pool=PlainPool(CONCURRENCY), rate_limiter=no_limit()) as sender:  # type: ignore[arg-type]
        assert sender.drain() == COUNT


def main() -> None:
    Robot.objects.bulk_create(Robot(code=f"robot-{n}", name=f"robot-{n}") for n in range(ROBOTS))
    gc.freeze()  # as `manage.py send` does
    for milliseconds in (1, 10, 50):
        with gateway(milliseconds / 1000):
            for name, sender in (("libcurl", send_over_http), ("plain threads", send_with_threads)):
                what = f"{COUNT} messages, gateway answering in {milliseconds} ms, {name}"
                compare(what, ours=sender, floor=bare_http, prepare=write)


if __name__ == "__main__":
    run(main)
