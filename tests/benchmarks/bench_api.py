"""The API beside bare WSGI with psycopg2 (F), the limit of Python and WSGI, Sanic with asyncpg, and a usual Django project.

All servers run at once on one database and are called in short turns by 32 connections. SIZE is the number of groups, SECONDS
the length of a turn, ROUNDS the number of turns of each server.
"""

import json
import os
import statistics
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts.authentication import issue_token
from accounts.models import User
from config.api.keys import issue_key
from config.models import Scope
from tests.benchmarks.api.contestants import Contestant, contestants
from tests.benchmarks.api.operations import OPERATIONS, Operation
from tests.benchmarks.api.rows import GROUPS_EACH, fill_database
from tests.benchmarks.chart import Row, svg
from tests.benchmarks.harness import must_reach, picture, postgres_pids, processor_seconds, report, run
from tests.support.paths import PROJECT

SIZE = int(os.environ.get("SIZE") or 1_000_000)
SECONDS = float(os.environ.get("SECONDS") or 2)
ROUNDS = int(os.environ.get("ROUNDS") or 5)
CONNECTIONS = 32
MOST_CALLERS = 1000
WARM_UP_SECONDS = 3  # all processes have imported their code and all threads have a connection
FLOOR, LIMIT, PEER, NAIVE, GUNICORN = "F", "limit", "sanic", "naive", "ours-gunicorn"
# For each kind of operation: the least ratios of the best server setting to other servers, and of gunicorn to F.
AT_LEAST: dict[str, dict[str, float]] = {
    "list": {FLOOR: 1.2, PEER: 0.75},
    "money": {FLOOR: 1.4, PEER: 0.75},
    "kept": {FLOOR: 2},
    "write": {FLOOR: 0.9, PEER: 0.65},
    "refusal": {FLOOR: 0.8},
    "events": {LIMIT: 0.8},
}
LISTS_ON_GUNICORN = 0.7
P99_OF_PEER = 2  # times as long at most
CHART = PROJECT / "docs/benchmarks.svg"
_numbers = count(1)


@dataclass(frozen=True)
class Turn:
    """The measurements of one turn of a server."""

    requests: int
    errors: int
    seconds: float
    p50: float
    p99: float
    server_cpu: float
    postgres_cpu: float

    @property
    def rate(self) -> float:
        return max(self.requests, 1) / self.seconds

    @property
    def cpu(self) -> float:
        """Return the processor seconds of a request."""
        return (self.server_cpu + self.postgres_cpu) / max(self.requests, 1)


Turns = dict[str, list[Turn]]  # of each server in an operation


def requests_of(operation: Operation, tokens: Sequence[str], key: str) -> list[str]:
    """Return the requests of an operation, one for each caller."""
    head = f"{operation.method} {operation.target} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if operation.body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(operation.body.encode())}\r\n"
    if operation.goal == "kept":
        credentials = [""]
    elif operation.goal == "events":
        credentials = [f"X-Api-Key: {key}\r\n"]
    else:
        credentials = [f"Authorization: Bearer {token}\r\n" for token in tokens]
    return [f"{head}{credential}\r\n{operation.body}" for credential in credentials]


def take_turn(server: Contestant, operation: Operation, requests: list[str], seconds: float) -> Turn:
    """Load one server and return what it did, with the processor time of its processes and of PostgreSQL."""
    expected = "" if server.name == NAIVE else operation.expected
    turn = {"port": server.port, "connections": CONNECTIONS, "requests": requests, "expected": expected}
    turn |= {"first": next(_numbers) * 10_000_000, "seconds": seconds}
    servers, postgres = server.pids(), postgres_pids()
    before = processor_seconds(servers), processor_seconds(postgres)
    load = [sys.executable, "-S", str(Path(__file__).parent / "api/load.py")]
    done = subprocess.run(load, input=json.dumps(turn), capture_output=True, text=True, check=True)
    used = processor_seconds(servers) - before[0], processor_seconds(postgres_pids()) - before[1]
    return Turn(**json.loads(done.stdout), server_cpu=used[0], postgres_cpu=used[1])


def race(operation: Operation, servers: Sequence[Contestant], requests: list[str]) -> Turns:
    """Load the servers in turns. The first turn of each is short and not counted; in each round another one begins."""
    turns: Turns = defaultdict(list)
    for number in range(ROUNDS + 1):
        first = number % len(servers)
        for server in [*servers[first:], *servers[:first]]:
            if operation.goal == "events":
                with connection.cursor() as cursor:
                    cursor.execute("TRUNCATE integrations_gatewayevent CASCADE")
            turn = take_turn(server, operation, requests, SECONDS if number else SECONDS / 2)
            if number:
                turns[server.name].append(turn)
    return turns


def ratios(turns: Turns, name: str, other: str) -> list[float]:
    """Return the requests per second of one server as ratios to another's in the same round."""
    return [mine.rate / its.rate for mine, its in zip(turns[name], turns[other], strict=True)]


def show(operation: Operation, turns: Turns) -> None:
    report(f"\n{operation.method} {operation.target}{operation.note}")
    report(
        "    server              req/s     ÷ F  µs Python  µs PostgreSQL    p50     p99 ms  errors  ÷ F in each round"
    )
    for name, taken in turns.items():
        requests = sum(turn.requests for turn in taken) or 1
        cpu = [
            1e6 * sum(part) / requests
            for part in zip(*((t.server_cpu, t.postgres_cpu) for t in taken), strict=True)
        ]
        p50, p99 = (statistics.median(times) for times in zip(*((t.p50, t.p99) for t in taken), strict=True))
        each = ratios(turns, name, FLOOR)
        report(
            f"    {name:<17} {statistics.median(t.rate for t in taken):7.0f} {statistics.median(each):7.2f}"
            f" {cpu[0]:10.0f} {cpu[1]:14.0f} {p50:6.1f} {p99:10.1f} {sum(t.errors for t in taken):7}"
            f"  {' '.join(f'{ratio:.2f}' for ratio in each)}"
        )


def best_setting(races: dict[Operation, Turns]) -> str:
    """Return our server setting with the highest geometric mean of its ratios to F."""
    names = [name for name in next(iter(races.values())) if name.startswith("ours")]
    of_floor = {name: [statistics.median(ratios(turns, name, FLOOR)) for turns in races.values()] for name in names}
    return max(of_floor, key=lambda name: statistics.geometric_mean(of_floor[name]))


def rate(operation: Operation, turns: Turns, best: str) -> None:
    """Print and rate the ratios of an operation.

    Processor time a request is the steadiest measurement where other programs run too, so the trend is that of its ratios.
    """
    for other, at_least in AT_LEAST[operation.goal].items():
        _rate(operation, f"{best} ÷ {other}", ratios(turns, best, other), at_least)
    if operation.goal == "list":
        _rate(operation, f"{GUNICORN} ÷ F", ratios(turns, GUNICORN, FLOOR), LISTS_ON_GUNICORN)
    shares = [its.p99 / mine.p99 for mine, its in zip(turns[best], turns[PEER], strict=True)]
    _rate(operation, f"p99 of sanic ÷ p99 of {best}", shares, 1 / P99_OF_PEER)
    for other in (FLOOR, PEER):
        used = [its.cpu / mine.cpu for mine, its in zip(turns[best], turns[other], strict=True)]
        must_reach(f"{operation.title}: processor time of {other} ÷ {best}", used, at_least=None)


def _rate(operation: Operation, what: str, each: Sequence[float], at_least: float) -> None:
    must_reach(f"{operation.title}: {what}", each, at_least=at_least, has_trend=False)


def draw(races: dict[Operation, Turns], best: str) -> None:
    """Write the chart and the table of all servers for the page."""
    names = {
        best: "ours, best setting",
        GUNICORN: "ours, gunicorn",
        LIMIT: "limit",
        PEER: "Sanic",
        NAIVE: "usual Django",
    }
    rows = [
        Row(operation.title, {label: _of_floor(turns, name) for name, label in names.items() if name in turns})
        for operation, turns in races.items()
    ]
    CHART.write_text(svg("Requests a second, F = 1", list(names.values()), rows))
    picture("![Requests a second of each server, as ratios to F](benchmarks.svg)")
    picture(_table(races))


def _of_floor(turns: Turns, name: str) -> float:
    return statistics.median(ratios(turns, name, FLOOR))


def _table(races: dict[Operation, Turns]) -> str:
    """Return a row for each operation: requests a second of F, and for each server ÷ F, µs of processor, and p99."""
    names = [name for name in next(iter(races.values())) if name != FLOOR]
    lines = [f"| each ÷ F; µs of processor; p99 in ms | F: requests a second | {' | '.join(names)} |"]
    lines.append("|---" * (len(names) + 2) + "|")
    for operation, turns in races.items():
        cells = [f"{statistics.median(turn.rate for turn in turns[FLOOR]):.0f}; {_cost(turns[FLOOR])}"]
        cells += [f"{_of_floor(turns, name):.2f}; {_cost(turns[name])}" if name in turns else "" for name in names]
        lines.append(f"| {operation.title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cost(taken: Sequence[Turn]) -> str:
    cpu = sum(turn.server_cpu + turn.postgres_cpu for turn in taken) / sum(turn.requests for turn in taken)
    return f"{1e6 * cpu:.0f}; {statistics.median(turn.p99 for turn in taken):.0f}"


def check_bodies(servers: Sequence[Contestant], tokens: Sequence[str]) -> None:
    """Compare the bodies of our server with those of the bare ones, byte by byte, for a few callers."""
    ours = next(server for server in servers if server.name == GUNICORN)
    for operation in OPERATIONS:
        if operation.method != "GET":
            continue
        for token in tokens[:5]:
            expected = _body(ours, operation, token)
            for server in servers:
                if server.name != NAIVE and (found := _body(server, operation, token)) != expected:
                    raise AssertionError(f"{operation.title} of {server.name}:\n{found!r}\nis not\n{expected!r}")
    report("    all bodies are byte-identical")


def _body(server: Contestant, operation: Operation, token: str) -> bytes:
    url = f"http://127.0.0.1:{server.port}{operation.target}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=20) as response:
        body: bytes = response.read()
    return body


def make_callers() -> tuple[list[str], str]:
    """Fill the database. Returns the tokens of its owners, and a key for events."""
    owners = max(1, SIZE // GROUPS_EACH)
    fill_database(owners)
    with_groups = User.objects.filter(pk__in=User.objects.filter(served_groups__isnull=False).values("pk"))
    tokens = [issue_token(user) for user in with_groups.order_by("-created_at")[:MOST_CALLERS]]
    return tokens, issue_key("bench", [Scope.GATEWAY_EVENTS], confirmed_at=timezone.now())


def is_compared(server: Contestant, operation: Operation) -> bool:
    return server.name != NAIVE or operation.goal in ("list", "write") or operation.path == "/profit"


def main() -> None:
    assert find_spec("psycopg") is None, "Django would choose psycopg 3"
    tokens, key = make_callers()
    run_of = f"{SIZE:,} groups, {len(tokens):,} callers, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s"
    report(f"    {run_of}")
    picture(f"{run_of}.")
    servers = contestants(settings.RUN_DIR)
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait()
        for server in servers:
            take_turn(server, OPERATIONS[0], requests_of(OPERATIONS[0], tokens, key), WARM_UP_SECONDS)
        check_bodies(servers, tokens)
        races: dict[Operation, Turns] = {}
        for operation in OPERATIONS:
            chosen = [server for server in servers if is_compared(server, operation)]
            races[operation] = race(operation, chosen, requests_of(operation, tokens, key))
            show(operation, races[operation])
    finally:
        for server in servers:
            server.stop()
    best = best_setting(races)
    report(f"\nthe best server setting of ours is {best}")
    for operation, turns in races.items():
        rate(operation, turns, best)
    draw(races, best)


if __name__ == "__main__":
    run(main)
