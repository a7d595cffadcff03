"""Sensitive words: one automaton over all of them, matched in one pass over folded text.

Folding takes out what people put between letters: width, case, spaces, zero-width characters. Nearly all text
is plain already, so the costly normalization runs only when a text needs it.
"""

import csv
import io
import threading
import unicodedata
import uuid
from collections.abc import Iterable

from ahocorasick_rs import AhoCorasick
from django.core.cache import cache

from config.errors import Code, Refusal
from integrations.models import SensitiveWord

VERSION = "sensitive-words-version"
_ZERO_WIDTH = dict.fromkeys(
    [0x00AD, 0x034F, 0x061C, 0x180E, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2065), 0xFEFF]
)
_lock = threading.Lock()


class SensitiveWordFound(Refusal):
    code = Code.SENSITIVE_WORD
    message = "内容含有敏感词,请修改后再提交"


def folded(text: str) -> str:
    """Text as it is compared: compatibility forms, lower case, no blanks, nothing invisible."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_ZERO_WIDTH)
    return "".join(text.casefold().split())


class _Matcher:
    """The automaton of one version of the list."""

    def __init__(self, version: object, words: Iterable[str]) -> None:
        self.version = version
        kept = sorted({folded(word) for word in words} - {""})
        self.automaton = AhoCorasick(kept) if kept else None

    def finds(self, text: str) -> bool:
        return self.automaton is not None and bool(self.automaton.find_matches_as_indexes(folded(text)))


_matcher = _Matcher(None, [])


def _current() -> _Matcher:
    """The matcher of this process, built anew when another process changed the list."""
    global _matcher  # noqa: PLW0603 - one per process, guarded by the lock
    version = cache.get_or_set(VERSION, lambda: "0", None)
    if _matcher.version != version:
        with _lock:
            if _matcher.version != version:
                _matcher = _Matcher(version, SensitiveWord.objects.values_list("word", flat=True).iterator())
    return _matcher


def list_changed() -> None:
    """Have every process read the list again."""
    cache.set(VERSION, uuid.uuid4().hex, None)


def require_clean(*texts: str) -> None:
    """2003 when one of these contains a sensitive word."""
    matcher = _current()
    if any(matcher.finds(text) for text in texts if text):
        raise SensitiveWordFound


def words_of(text: str) -> list[str]:
    """The words of a CSV or text file: its first column, each once."""
    words = [row[0].strip() for row in csv.reader(io.StringIO(text, newline="")) if row and row[0].strip()]
    return list(dict.fromkeys(word[:64] for word in words))


def add_words(words: Iterable[str]) -> int:
    """Add words to the list, each once; how many were new."""
    before = SensitiveWord.objects.count()
    rows = [SensitiveWord(word=word.strip()[:64]) for word in words if word.strip()]
    SensitiveWord.objects.bulk_create(rows, ignore_conflicts=True, batch_size=5000)
    list_changed()
    return SensitiveWord.objects.count() - before
