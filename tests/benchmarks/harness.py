"""The measuring of benchmarks: the ratio to a floor of the same run, in turns, as the median of several rounds.

A benchmark fails when a ratio is below its minimum, or when ours becomes slower from round to round: when the median of the
last third of the rounds is below KEEPS_UP of that of the first third.

def main() -> None:
    compare("receiving a launch of 10,000 groups", ours=receive, floor=bare_insert, prepare=empty, at_least=0.8)

if __name__ == "__main__":
    run(main)
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from config.local.processes import holders
from tests.benchmarks import page

ROUNDS = 9
KEEPS_UP = 0.8
FEWEST_FOR_A_TREND = 5  # rounds
Work = Callable[[], None]
_TICKS = os.sysconf("SC_CLK_TCK")
_measured: list[page.Measured] = []
_pictured: list[str] = []


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
    median = must_reach(what, ratios, at_least=at_least, has_trend=at_least is not None)
    for name, turns in (("ours", our_turns), ("floor", floor_turns)):
        seconds, cpu = statistics.median(turns.seconds[1:]), statistics.median(turns.cpu[1:])
        report(f"    {name:<5} {seconds:8.3f} s, {cpu:7.3f} s of processor (ours and PostgreSQL's)")
    return median


def must_reach(what: str, ratios: Sequence[float], *, at_least: float | None, has_trend: bool = True) -> float:
    """Print and rate the ratios of all rounds. Returns their median. Without `has_trend` their order is not rated."""
    median = statistics.median(ratios)
    measured = page.Measured(what, median, at_least, _trend(ratios) if has_trend else None)
    _measured.append(measured)
    report(f"{what}: {measured.rating}")
    if len(ratios) > 1:
        report(f"    ratios {' '.join(f'{ratio:.2f}' for ratio in ratios)}")
    return median


def must_take(what: str, seconds: float, *, at_most: float) -> None:
    """Print and rate a time, as a ratio of the longest allowed one to it."""
    must_reach(f"{what} ({at_most * 1000:.0f} ms ÷ {seconds * 1000:.0f} ms)", [at_most / seconds], at_least=1.0)


def _trend(ratios: Sequence[float]) -> float | None:
    """Return the median of the last third as a share of that of the first, if it is too small. Few rounds have no trend."""
    third = -(-len(ratios) // 3)
    share = statistics.median(ratios[-third:]) / statistics.median(ratios[:third])
    return share if len(ratios) >= FEWEST_FOR_A_TREND and share < KEEPS_UP else None


def _cpu_seconds() -> float:
    """Return the processor seconds of this process, its ended children, and PostgreSQL."""
    own = os.times()
    return own.user + own.system + own.children_user + own.children_system + processor_seconds(postgres_pids())


def processor_seconds(pids: Iterable[int]) -> float:
    """Return the processor seconds of these processes and of their ended children."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(ticks) for ticks in values[11:15]) / _TICKS
    return total


def postgres_pids() -> list[int]:
    return list(holders(_data_directory()))


def _data_directory() -> Path:
    return next(path.parent for path in settings.RUN_DIR.rglob("PG_VERSION") if (path.parent / "base").is_dir())


def picture(markdown: str) -> None:
    """Put a picture or a table of a script's own above the ratios of its section of the page."""
    _pictured.append(markdown)


def run(main: Work) -> None:
    """Run a script's `main` and write its section of the page. Exits with status 1 when a ratio is too small."""
    main()
    page.write(Path(sys.argv[0]).stem, _measured, _pictured)
    sys.exit(1 if any(measured.has_failed for measured in _measured) else 0)
