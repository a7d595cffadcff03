"""Search for keywords in texts, with one automaton of all distinct keywords and the keywords of each group.

An automaton per group would take gigabytes; with one for all, a message costs the same whatever its group has. The
matcher may find a keyword that was just deleted (`replies` checks the database), and finds a new one within a second.
"""

import threading
import time

from ahocorasick_rs import AhoCorasick

from config.platform import db
from config.platform.characters import comparable

REFRESH_INTERVAL = 1.0  # seconds between two reads of new keywords
LONGEST_INTERVAL = 1.5  # seconds after which a thread waits for another thread's read
NEVER = float("-inf")
REBUILD_INTERVAL = 3600.0  # seconds until deleted keywords leave the memory

# Edits commit one after another (`batches._lock_edits`), so new rows have higher ids than all rows before.
_SELECT_NEW = """
SELECT k.id, k.folded, g.code FROM keywords_groupkeyword k JOIN groups_group g ON g.id = k.group_id
WHERE k.id > %s AND g.cancelled_at IS NULL ORDER BY k.id
"""


class _Keywords:
    """The keywords that one process has read. Numbers are only added, so threads may search while others are added."""

    def __init__(self) -> None:
        self.built_at, self.last_id = time.monotonic(), 0
        self.numbers: dict[str, int] = {}
        self.keywords: list[str] = []
        self.of_group: dict[str, set[int]] = {}
        self.automaton: AhoCorasick | None = None

    def read_new(self) -> None:
        known = len(self.keywords)
        for row_id, keyword, group_code in db.rows(_SELECT_NEW, [self.last_id]):
            number = self.numbers.setdefault(keyword, len(self.keywords))
            if number == len(self.keywords):
                self.keywords.append(keyword)
            self.of_group.setdefault(group_code, set()).add(number)
            self.last_id = row_id
        if len(self.keywords) > known:
            self.automaton = AhoCorasick(self.keywords)

    def find(self, group_code: str, text: str) -> list[str]:
        own = self.of_group.get(group_code)
        if not own or self.automaton is None:
            return []
        hits = self.automaton.find_matches_as_indexes(comparable(text), overlapping=True)
        return [self.keywords[number] for number in {number for number, _, _ in hits if number in own}]


class Matcher:
    """All keywords as of the last read. A process has one matcher, which its threads share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.read_at = NEVER
        self.keywords = _Keywords()

    def refresh(self) -> None:
        """Read new keywords, unless that was done within a second or another thread is reading.

        When the last read is overdue, wait for the other thread.
        """
        if not self._is_older_than(REFRESH_INTERVAL):
            return
        if self.lock.acquire(blocking=self._is_older_than(LONGEST_INTERVAL)):
            try:
                self._refresh()
            finally:
                self.lock.release()

    def mark_stale(self) -> None:
        """Have the next call of `refresh` read at once, because this process has edited keywords."""
        self.read_at = NEVER

    def has_keywords(self, group_code: str) -> bool:
        """Return whether the group has keywords, or had some within the last hour."""
        return group_code in self.keywords.of_group

    def find(self, group_code: str, text: str) -> list[str]:
        """Return the keywords of this group in the text, in the comparable form in which they are stored."""
        return self.keywords.find(group_code, text)

    def _is_older_than(self, seconds: float) -> bool:
        return time.monotonic() - self.read_at >= seconds

    def _refresh(self) -> None:
        now = time.monotonic()
        if not self._is_older_than(REFRESH_INTERVAL):
            return
        keywords = _Keywords() if now - self.keywords.built_at > REBUILD_INTERVAL else self.keywords
        keywords.read_new()
        self.keywords, self.read_at = keywords, now


matcher = Matcher()
