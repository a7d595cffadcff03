"""Finding keywords in what is said: one automaton of all distinct keywords, and which group has which of them.

An automaton per group would take gigabytes; this one costs a message the same whatever its group has. It may
find a keyword that was just taken away (who answers asks the database), and finds a new one within a second.
"""

import threading
import time

from ahocorasick_rs import AhoCorasick
from django.db import connection

from config.platform.characters import comparable

REFRESH_INTERVAL = 1.0  # seconds between two looks for new keywords
LONGEST_INTERVAL = 1.5
NEVER = float("-inf")
REBUILD_INTERVAL = 3600.0  # seconds until keywords that are gone leave the memory

# Edits add rows one after another (`batches` sees to it), so what is new has a higher id than all before.
_SELECT_NEW = """
SELECT k.id, k.folded, g.code FROM keywords_groupkeyword k JOIN groups_group g ON g.id = k.group_id
WHERE k.id > %s AND g.cancelled_at IS NULL ORDER BY k.id
"""


class _Keywords:
    """What one process knows of them. Numbers are only added, so who reads meanwhile sees no nonsense."""

    def __init__(self) -> None:
        self.began_at, self.last_id = time.monotonic(), 0
        self.numbers: dict[str, int] = {}
        self.words: list[str] = []
        self.of_group: dict[str, set[int]] = {}
        self.automaton: AhoCorasick | None = None

    def take_new(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_SELECT_NEW, [self.last_id])
            rows = cursor.fetchall()
        known = len(self.words)
        for row_id, word, group_code in rows:
            number = self.numbers.setdefault(word, len(self.words))
            if number == len(self.words):
                self.words.append(word)
            self.of_group.setdefault(group_code, set()).add(number)
            self.last_id = row_id
        if len(self.words) > known:
            self.automaton = AhoCorasick(self.words)

    def found(self, group_code: str, words: str) -> list[str]:
        own = self.of_group.get(group_code)
        if not own or self.automaton is None:
            return []
        hits = self.automaton.find_matches_as_indexes(comparable(words), overlapping=True)
        return [self.words[number] for number in {number for number, _, _ in hits if number in own}]


class Matcher:
    """All keywords as of the last look. One per process, shared by its threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.looked_at = NEVER
        self.keywords = _Keywords()

    def look(self) -> None:
        """Take in new keywords, unless that was done a moment ago or another thread is at it (overdue, wait for it)."""
        if not self._is_older_than(REFRESH_INTERVAL):
            return
        if self.lock.acquire(blocking=self._is_older_than(LONGEST_INTERVAL)):
            try:
                self._look()
            finally:
                self.lock.release()

    def look_at_once(self) -> None:
        """Something was edited in this process: do not wait for the second to pass."""
        self.looked_at = NEVER

    def knows(self, group_code: str) -> bool:
        """Whether the group has, or had a while ago, any keyword."""
        return group_code in self.keywords.of_group

    def found(self, group_code: str, words: str) -> list[str]:
        """This group's keywords in these words, folded as they are kept."""
        return self.keywords.found(group_code, words)

    def _is_older_than(self, seconds: float) -> bool:
        return time.monotonic() - self.looked_at >= seconds

    def _look(self) -> None:
        now = time.monotonic()
        if not self._is_older_than(REFRESH_INTERVAL):
            return
        keywords = _Keywords() if now - self.keywords.began_at > REBUILD_INTERVAL else self.keywords
        keywords.take_new()
        self.keywords, self.looked_at = keywords, now


matcher = Matcher()
