"""docs/benchmarks.md: a section for each script with every ratio that it printed. A script replaces its own section only."""

import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import connection
from django.utils import timezone

from tests.support.paths import PROJECT

PAGE = PROJECT / "docs/benchmarks.md"
_INTRODUCTION = """# Benchmarks

`make bench` writes this page; `make bench ONLY=stars` replaces one section. A ratio compares our code with bare work, or with the
same work on a small database, in turns on one machine: 1.00 is equally fast, 2.00 is twice as fast. It is the median of several
rounds. A script fails when a ratio is below its minimum, or when ours becomes slower from round to round.
"""
_SECTION = re.compile(r"<!-- (\w+) -->\n(.*?)<!-- end -->\n", re.DOTALL)


@dataclass(frozen=True)
class Measured:
    """A ratio with its minimum. `trend` is what the last rounds have left of the first ones, if that is too little."""

    what: str
    ratio: float
    at_least: float | None
    trend: float | None

    @property
    def is_below(self) -> bool:
        return self.at_least is not None and self.ratio < self.at_least

    @property
    def has_failed(self) -> bool:
        return self.is_below or self.trend is not None

    @property
    def rating(self) -> str:
        minimum = "" if self.at_least is None else f" (at least {self.at_least:.2f})"
        below = f", BELOW its {self.at_least:.2f}" if self.is_below else minimum
        return f"{self.ratio:.2f}{below}{self._slower}"

    @property
    def row(self) -> str:
        minimum = "" if self.at_least is None else f"{self.at_least:.2f}"
        mark = "**below**" if self.is_below else ""
        return f"| {self.what} | {self.ratio:.2f} | {minimum} | {mark}{self._slower} |"

    @property
    def _slower(self) -> str:
        return "" if self.trend is None else f", SLOWER: the last rounds are {self.trend:.2f} of the first"


def write(script: str, measured: Sequence[Measured], tables: Sequence[str]) -> None:
    """Replace the section of a script, and leave all others as they are."""
    sections = dict(_SECTION.findall(PAGE.read_text())) if PAGE.exists() else {}
    sections[script] = _section(script, measured, tables)
    parts = [f"<!-- {name} -->\n{text}<!-- end -->\n" for name, text in sorted(sections.items())]
    PAGE.write_text("\n".join([_INTRODUCTION, *parts]))


def _section(script: str, measured: Sequence[Measured], tables: Sequence[str]) -> str:
    description = (sys.modules["__main__"].__doc__ or "").strip().partition("\n\n")[0]
    rows = "\n".join(["| comparison | ratio | minimum | |", "|---|---:|---:|---|", *(one.row for one in measured)])
    parts = [f"## {script.removeprefix('bench_')}", description, f"{_machine()}.", *tables, rows]
    return "\n\n".join(parts) + "\n"


def _machine() -> str:
    """Return the date, and the machine on which this process runs."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        [(postgres,)] = cursor.fetchall()
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    return (
        f"{timezone.localdate()}: {cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, {system},"
        f" PostgreSQL {postgres}, Python {platform.python_version()}"
    )
