"""The measuring of benchmarks: the ratio to a floor of the same run, in turns, as the median of several rounds.

def main() -> None:
    compare("receiving a launch of 10,000 groups", ours=receive, floor=bare_insert, prepare=empty, at_least=0.8)

if __name__ == "__main__":
    run(main)
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from config.local.processes import holders

ROUNDS = 5
Work = Callable[[], None]
_TICKS = os.sysconf("SC_CLK_TCK")
_below: list[str] = []


@dataclass
class Turns:
    """The seconds that one contestant took in each round: on the clock, and of the processors."""

    work: Work
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def take(self) -> None:
        cpu, began = _cpu_seconds(), time.perf_counter()
        self.work()
        self.seconds.append(time.perf_counter() - began)
        self.cpu.append(_cpu_seconds() - cpu)


def report(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def compare(
    what: str,
    *,
    ours: Work,
    floor: Work,
    prepare: Work = lambda: None,
    prepare_floor: Work | None = None,
    at_least: float | None = None,
    rounds: int = ROUNDS,
) -> float:
    """Run both in turns and print the ratios. Returns the median of floor ÷ ours (1.0: equally fast; more: faster).

    `prepare` (for the floor `prepare_floor`, if given) runs before each turn and is not measured. The first turn of each
    is not counted.
    """
    our_turns, floor_turns = Turns(ours), Turns(floor)
    for number in range(rounds + 1):
        for turns in (our_turns, floor_turns) if number % 2 else (floor_turns, our_turns):
            (prepare_floor or prepare)() if turns is floor_turns else prepare()
            turns.take()
    pairs = zip(our_turns.seconds[1:], floor_turns.seconds[1:], strict=True)
    ratios = [floor_seconds / our_seconds for our_seconds, floor_seconds in pairs]
    median = statistics.median(ratios)
    report(f"{what}: {_rating(what, median, at_least)}")
    report(f"    ratios {' '.join(f'{ratio:.2f}' for ratio in ratios)}")
    for name, turns in (("ours", our_turns), ("floor", floor_turns)):
        seconds, cpu = statistics.median(turns.seconds[1:]), statistics.median(turns.cpu[1:])
        report(f"    {name:<5} {seconds:8.3f} s, {cpu:7.3f} s of processor (ours and PostgreSQL's)")
    return median


def must_reach(what: str, ratio: float, *, at_least: float) -> None:
    """Print and rate a ratio that was measured in another way."""
    report(f"{what}: {_rating(what, ratio, at_least)}")


def must_take(what: str, seconds: float, *, at_most: float) -> None:
    """Print and rate a time."""
    below = seconds <= at_most
    if not below:
        _below.append(what)
    report(f"{what}: {seconds * 1000:.0f} ms ({'' if below else 'ABOVE '}at most {at_most * 1000:.0f})")


def _rating(what: str, ratio: float, at_least: float | None) -> str:
    if at_least is None:
        return f"{ratio:.2f}"
    if ratio < at_least:
        _below.append(what)
        return f"{ratio:.2f}, BELOW its {at_least}"
    return f"{ratio:.2f} (at least {at_least})"


def _cpu_seconds() -> float:
    """Return the processor seconds of this process, its ended children, and PostgreSQL."""
    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    for pid in holders(_data_directory()):
        with suppress(OSError):
            values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(ticks) for ticks in values[11:15]) / _TICKS
    return total


def _data_directory() -> Path:
    return next(path.parent for path in settings.RUN_DIR.rglob("PG_VERSION") if (path.parent / "base").is_dir())


def run(main: Work) -> None:
    """Run a script's `main`. Exits with status 1 when a ratio is below its minimum."""
    main()
    sys.exit(1 if _below else 0)
