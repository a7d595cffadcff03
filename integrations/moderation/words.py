"""The list of sensitive words, and the check of users' texts against it.

Operators edit the list; every process uses a change within two seconds. A text that passes the list goes to the remote
check (`integrations.moderation.remote`), if one is configured. While that does not answer, only the list is checked.
"""

import threading
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress

from django.core.cache import cache

from config.errors import Code, Refusal
from config.platform import db
from config.platform.cache import REDIS_AWAY
from integrations.models import SensitiveWord, SensitiveWordImport
from integrations.moderation import remote
from integrations.moderation.finder import FoundWord, WordFinder

VERSION = "sensitive-words-version"
CHECK_EVERY = 1.0  # seconds between two checks of the list's version, each of which is a call to Redis
READ_EVERY = 600.0  # seconds after which the list is read again in any case, should Redis have lost a change
CHUNK = 5000
NEVER = float("-inf")


class SensitiveWordFound(Refusal):
    code = Code.SENSITIVE_WORD
    message = "内容含有敏感词，请修改后再提交"


class _Current:
    """The finder of this process, which is built again when any process has changed the list."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.finder: WordFinder | None = None
        self.version: object = None
        self.checked_at = self.read_at = NEVER

    def get(self) -> WordFinder:
        finder = self.finder
        if finder is not None and time.monotonic() - self.checked_at < CHECK_EVERY:
            return finder
        if self.lock.acquire(blocking=finder is None):
            try:
                self._refresh()
            finally:
                self.lock.release()
        return self.finder or WordFinder([])

    def _refresh(self) -> None:
        now, version = time.monotonic(), self.version
        with suppress(*REDIS_AWAY):
            version = cache.get(VERSION)
        if self.finder is None or version != self.version or now - self.read_at >= READ_EVERY:
            self.finder = WordFinder(db.stream(SensitiveWord.objects.values_list("word", flat=True), chunk=CHUNK))
            self.version, self.read_at = version, now
        self.checked_at = now

    def expire(self) -> None:
        """Have the list's version checked at the next text."""
        self.checked_at = self.read_at = NEVER


current = _Current()


def list_changed() -> None:
    """Have every process read the list again."""
    current.expire()
    with suppress(*REDIS_AWAY):
        cache.set(VERSION, uuid.uuid4().hex, None)


def require_clean(*texts: str) -> None:
    """Raise SensitiveWordFound (2003) when a text contains a sensitive word or the remote check considers it risky."""
    filled, finder = [text for text in texts if text], current.get()
    for text in filled:
        if word := finder.first(text):
            raise SensitiveWordFound(f"内容含有敏感词“{word}”，请修改后再提交")
    if remote.is_risky(filled):
        raise SensitiveWordFound


def add_words(words: Iterable[str], *, word_import: SensitiveWordImport | None = None) -> None:
    """Add words to the list, each once."""
    rows = [SensitiveWord(word=word.strip(), word_import=word_import) for word in words if word.strip()]
    SensitiveWord.objects.bulk_create(rows, ignore_conflicts=True, batch_size=CHUNK)
    list_changed()


def words_in(text: str) -> list[FoundWord]:
    """Return every word of the list that the text contains, with its place."""
    return current.get().all(text)
