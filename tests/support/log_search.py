"""A search of a session's logs for secrets and personal values."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SHAPES = {
    "phone": re.compile(r"(?<!\d)(?:86)?1[3-9]\d{9}(?!\d)"),
    "identity card": re.compile(
        r"(?<!\d)[1-8]\d{5}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![\dXx])"
    ),
    "token": re.compile(r"\beyJ[\w-]{8,}\.[\w-]+"),
    "bearer credential": re.compile(r"\bbearer\s+[\w.~+/=-]{16,}", re.IGNORECASE),
    "private key": re.compile(r"BEGIN [A-Z ]*PRIVATE KEY"),
    "password of an address": re.compile(r"\b\w+://[^\s:/@]*:(?!\*\*\*@)[^\s/@]+@"),
    "secret in an address": re.compile(r"[?&](?:code|secret|access_token|ticket|sign)=(?!\*\*\*)[^\s&\"']"),
    "key of a completion": re.compile(r"(?:/(?:s|user)/|\buserId=)[\w-]{24}(?![\w-])"),
    "contents of a row": re.compile(r"DETAIL: +(?:Failing row|Key \()|Failing row contains"),
    "parameters of a statement": re.compile(r"\b(?:DETAIL|CONTEXT): +.*parameters?: *\$1"),
}
# `prepare` and `operator` print a new password once, for the person who typed the command.
SHOWN_ONCE = re.compile(r"Password:\s+(\S+)\s+\(shown once")
_CODE_IS_NEAR = re.compile("code|otp|验证码", re.IGNORECASE)
_BEGINNING = 8  # characters of a long value that are looked up first


@dataclass
class Report:
    """Counts of the lines and files that were read, and (file, kind) of each secret in them."""

    lines: int = 0
    files: int = 0
    found: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"logs: {self.lines} lines of {self.files} processes read, {len(self.found)} secrets"


class Search:
    """A search for patterns of secrets and for values given as (kind, value)."""

    def __init__(self, values: Iterable[tuple[str, str]]) -> None:
        self.long: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.short: list[tuple[str, str]] = []
        self.codes: dict[str, str] = {}
        for kind, value in values:
            self.add(kind, value)

    def add(self, kind: str, value: str) -> None:
        if kind == "one-time code":
            self.codes[value] = kind
        elif len(value) < _BEGINNING:
            self.short.append((kind, value))
        else:
            self.long[value[:_BEGINNING]].append((kind, value))

    def in_line(self, line: str) -> Iterator[str]:
        """Yield the kinds of the secrets in a line."""
        yield from (kind for kind, shape in SHAPES.items() if shape.search(line))
        yield from (kind for kind, value in self.short if value in line)
        for start in range(len(line) - _BEGINNING + 1):
            for kind, value in self.long.get(line[start : start + _BEGINNING], ()):
                if line.startswith(value, start):
                    yield kind
        if _CODE_IS_NEAR.search(line):  # six digits occur in many numbers
            yield from (self.codes[number] for number in re.findall(r"\d+", line) if number in self.codes)


def search(folder: Path, values: Iterable[tuple[str, str]]) -> Report:
    """Search every file below the folder."""
    once = {path.resolve(): path for path in _files(folder)}
    texts = {path: path.read_text(errors="replace") for path in once.values()}
    looking = Search(values)
    for text in texts.values():
        for password in SHOWN_ONCE.findall(text):
            looking.add("password", password)
    report = Report(files=len(texts))
    for path, text in texts.items():
        lines = SHOWN_ONCE.sub("", text).splitlines()
        report.lines += len(lines)
        found = {kind for line in set(lines) for kind in looking.in_line(line)}
        report.found += [(str(path.relative_to(folder)), kind) for kind in sorted(found)]
    return report


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _files(path)
        elif path.exists():
            yield path
        elif not path.readlink().parents[1].exists():  # else the servers were never started
            raise FileNotFoundError(f"{path.name}: the logs of these servers were removed before they were read")
