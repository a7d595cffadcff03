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

from ahocorasick_rs import AhoCorasick
from django.core.cache import cache

from config.caching import REDIS_AWAY
from config.errors import BadRequest, Code, Refusal
from integrations import remote_moderation
from integrations.folding import as_written, folded, is_chinese
from integrations.models import SensitiveWord

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


class WordFinder:
    """The automata of one version of the list: over folded text, and over text as it is written."""

    def __init__(self, words: Iterable[str]) -> None:
        kept, bare = set(), set()
        for word in words:
            if is_chinese(word):  # nearly all are, and folding 50,000 words takes a while
                kept.add(word)
            elif letters := _enough_of(word):
                kept.add(letters)
            else:
                bare.add(as_written(word))
        self.folded, self.as_written = _automaton(kept), _automaton(bare)
        self.has_bare = bool(bare)

    def finds(self, text: str) -> bool:
        """Whether any of the words is in this text, however it is decorated."""
        found = bool(self.folded.find_matches_as_indexes(folded(text)))
        return found or (self.has_bare and self._finds_bare(as_written(text)))

    def _finds_bare(self, text: str) -> bool:
        """6.4 is not meant by 16.4 or 6.45."""
        return any(
            not (_are_digits(text[start - 1 : start + 1]) or _are_digits(text[end - 1 : end + 1]))
            for _, start, end in self.as_written.find_matches_as_indexes(text, overlapping=True)
        )


def _automaton(words: set[str]) -> AhoCorasick:
    return AhoCorasick(sorted(words - {""}), store_patterns=False)  # sorted: built in half the time


def _enough_of(word: str) -> str:
    """The word folded; nothing when that would be another word: little is left of "C++", and 64 is not 6.4."""
    letters, plain = folded(word), as_written(word)
    return letters if letters == plain or (len(letters) > 1 and not letters.isdigit()) else ""


def _are_digits(two: str) -> bool:
    return len(two) == 2 and two.isdigit()


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
    if any(finder.finds(text) for text in given) or remote_moderation.is_risky(given):
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
                return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    raise NotAList


def problem_of(word: str) -> str:
    """Why this cannot be on the list, or nothing. Punctuation alone would be found in every text; a picture may be."""
    if len(word) > LONGEST:
        return f"超过 {LONGEST} 个字符"
    says_something = folded(word) or any(unicodedata.category(letter) == "So" for letter in word)
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
