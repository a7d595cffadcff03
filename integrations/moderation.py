"""Sensitive words: one automaton over all of them, matched in one pass over folded text.

Operators edit the list; every process has it within two seconds. A remote check may stand behind it
(`integrations.remote_moderation`); while that does not answer, the list's verdict stands.
"""

import csv
import io
import threading
import time
import unicodedata
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.core.cache import cache

from config.caching import REDIS_AWAY
from config.errors import BadRequest, Code, Refusal
from integrations import remote_moderation
from integrations.folding import letters_of
from integrations.models import SensitiveWord
from integrations.word_finder import WordFinder

VERSION = "sensitive-words-version"
LOOK_EVERY = 1.0  # seconds between two looks at the list's version: a look is a call to Redis
READ_EVERY = 600.0  # seconds after which the list is read anyway, should a change have gone unnoticed
LONGEST = 64
CHUNK = 5000
NEVER = float("-inf")


class SensitiveWordFound(Refusal):
    code = Code.SENSITIVE_WORD
    message = "内容含有敏感词，请修改后再提交"


class NotAList(BadRequest):
    message = "文件不是文本或 CSV（UTF-8 或 GBK 编码，每行第一列一个词）"


class _Current:
    """The finder of this process, made anew when another process changed the list."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.finder: WordFinder | None = None
        self.version: object = None
        self.looked_at = self.read_at = NEVER

    def get(self) -> WordFinder:
        finder = self.finder
        if finder is not None and time.monotonic() - self.looked_at < LOOK_EVERY:
            return finder
        if self.lock.acquire(blocking=finder is None):
            try:
                self._look()
            finally:
                self.lock.release()
        return self.finder or WordFinder([])

    def _look(self) -> None:
        now, version = time.monotonic(), self.version
        with suppress(*REDIS_AWAY):
            version = cache.get(VERSION)
        if self.finder is None or version != self.version or now - self.read_at >= READ_EVERY:
            self.finder = WordFinder(SensitiveWord.objects.values_list("word", flat=True).iterator(CHUNK))
            self.version, self.read_at = version, now
        self.looked_at = now

    def look_again(self) -> None:
        """At the next text, without waiting for the second to pass."""
        self.looked_at = self.read_at = NEVER


current = _Current()


def list_changed() -> None:
    """Have every process read the list again."""
    current.look_again()
    with suppress(*REDIS_AWAY):
        cache.set(VERSION, uuid.uuid4().hex, None)


def require_clean(*texts: str) -> None:
    """2003 when one of these contains a sensitive word, or the remote check says so of them."""
    given, finder = [text for text in texts if text], current.get()
    for text in given:
        if word := finder.first(text):
            raise SensitiveWordFound(f"内容含有敏感词“{word}”，请修改后再提交")
    if remote_moderation.is_risky(given):
        raise SensitiveWordFound


@dataclass(frozen=True)
class Imported:
    """What became of a file of words."""

    new: int
    known: int
    repeated: int  # lines that another line of the file says too
    refused: Sequence[str]  # "第 3 行:…", what is wrong with it


def import_words(raw: bytes, *, dry_run: bool = False) -> Imported:
    """Add the first column of a text or CSV file to the list; 1403 when it is none."""
    lines = [(number, row[0].strip()) for number, row in enumerate(_rows(raw), 1) if row and row[0].strip()]
    refused = [f"第 {number} 行:{problem}" for number, word in lines if (problem := problem_of(word))]
    good = [word for _, word in lines if not problem_of(word)]
    words = list(dict.fromkeys(good))
    known = _how_many_known(words)
    if not dry_run:
        add_words(words)
    return Imported(len(words) - known, known, len(good) - len(words), refused)


def _rows(raw: bytes) -> list[list[str]]:
    """Spreadsheets in China save GBK."""
    for encoding in ("utf-8-sig", "gb18030"):
        with suppress(UnicodeDecodeError, csv.Error):
            text = raw.decode(encoding)
            if "\x00" not in text:
                return list(csv.reader(io.StringIO(text, newline="")))
    raise NotAList


def problem_of(word: str) -> str:
    """Why this cannot be on the list, or nothing. Punctuation alone would be found in every text; a picture may be."""
    if len(word) > LONGEST:
        return f"超过 {LONGEST} 个字符"
    says_something = letters_of(word) or any(unicodedata.category(letter) == "So" for letter in word)
    return "" if says_something else "没有文字、数字或图形"


def _how_many_known(words: Sequence[str]) -> int:
    return sum(
        SensitiveWord.objects.filter(word__in=words[start : start + CHUNK]).count()
        for start in range(0, len(words), CHUNK)
    )


def add_words(words: Iterable[str]) -> int:
    """Add words to the list, each once; how many were new."""
    before = SensitiveWord.objects.count()
    rows = [SensitiveWord(word=word.strip()[:LONGEST]) for word in words if word.strip()]
    SensitiveWord.objects.bulk_create(rows, ignore_conflicts=True, batch_size=CHUNK)
    list_changed()
    return SensitiveWord.objects.count() - before
