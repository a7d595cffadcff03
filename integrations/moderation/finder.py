"""The search for sensitive words in a text: one automaton over all words, and the rules of where a word may stand.

Chinese has no blanks between words, so a Chinese word is found anywhere, also with blanks, pictures or decoration between
its characters, but not across the marks that divide sentences. Words of Latin letters and digits need a border on both
sides in the original text; otherwise "family" would contain LY. A word with a dot (a domain, 6.4) is found only as it is
written.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from ahocorasick_rs import AhoCorasick

from config.platform.characters import has_control
from integrations.moderation.folding import (
    as_written,
    folded,
    is_chinese,
    is_plain,
    is_unseen,
    letters_of,
    places_of_folded,
    places_of_written,
    shown_letters,
)

# Between Latin letters these mean "and", "or", or a shortened word: H&M, S/M, he'll. They are no decoration within a word.
_APOSTROPHES = "'\u2019\uff07"
_CONNECTING = f"/\\&{_APOSTROPHES}\uff0f\uff06"
_WITHIN_NUMBERS = ".,:/-\uff0e\uff0c\uff1a"
# Matches begin at the beginning of a name only, so the time grows linearly with the length of the text.
_ADDRESS = re.compile(
    r"(?<![a-z0-9.@+_-])(?:[a-z]{2,9}://|[\w.+-]{1,64}@)?(?:[a-z0-9-]{1,63}\.)+[a-z]{2,24}(?![a-z0-9])(?:[:/?#][!-~]*)?",
    re.IGNORECASE | re.ASCII,
)
_RUN = re.compile("[a-z0-9]+")
# VX123456 and 13800138000VX are a word and a number. In MD5 and 1000ML the digits are a part of the name or a quantity.
_NUMBER_AFTER, _NUMBER_BEFORE = 3, 5
_CONTEXT = 16  # characters on each side of a word that are read to decide whether it ends there
_FIRST_BEYOND_ALPHABETS = "\u0590"  # Latin, Greek, Cyrillic and Armenian letters stand before it

_Hit = tuple[str, "_Text", int, int]


@dataclass(frozen=True)
class FoundWord:
    """A word of the list and its place in the text."""

    word: str
    start: int
    end: int


class WordFinder:
    """The automata of one version of the list: one for folded text, one for text as it is written."""

    def __init__(self, words: Iterable[str]) -> None:
        """Build the automata. Words with control characters, which older lists may have, are left out."""
        chinese: set[str] = set()
        self._listed: dict[str, list[str]] = defaultdict(
            list
        )  # by the folded form, where it may differ from the word
        self._literal: dict[str, str] = {}
        for word in words:
            if is_chinese(word):  # nearly all words are; folding 50,000 of them would take a while
                chinese.add(word)
            elif not has_control(word):
                form, is_literal = form_of(word)
                if is_literal:
                    self._literal.setdefault(form, word)
                else:
                    self._listed[form].append(word)
        self._in_folded = _automaton(chinese.union(self._listed))
        self._in_written = _automaton(set(self._literal))

    def first(self, text: str) -> str | None:
        """Return the first word that is found, or None."""
        return next((word for word, _source, _start, _end in self._hits(text)), None)

    def all(self, text: str) -> list[FoundWord]:
        """Return every word that the text contains, in the order of their places."""
        found = {FoundWord(word, *source.span(start, end)) for word, source, start, end in self._hits(text)}
        return sorted(found, key=lambda match: (match.start, match.end, match.word))

    def _hits(self, text: str) -> Iterator[_Hit]:
        form = folded(text)
        if hits := self._in_folded.find_matches_as_indexes(form, overlapping=True):
            yield from self._allowed(_Text(text, places_of_folded), form, hits)
        if self._literal and not is_plain(text.replace(" ", "")):
            form = as_written(text)
            if hits := self._in_written.find_matches_as_indexes(form, overlapping=True):
                yield from self._allowed_literally(_Text(text, places_of_written), form, hits)

    def _allowed(self, source: "_Text", form: str, hits: list[tuple[int, int, int]]) -> Iterator[_Hit]:
        for _, start, end in hits:
            key = form[start:end]
            for word in self._listed.get(key, (key,)):
                if source.allows(word, key, start, end):
                    yield word, source, start, end

    def _allowed_literally(self, source: "_Text", form: str, hits: list[tuple[int, int, int]]) -> Iterator[_Hit]:
        for _, start, end in hits:
            key = form[start:end]
            if source.allows_literally(key, start, end):
                yield self._literal[key], source, start, end


def form_of(word: str) -> tuple[str, bool]:
    """Return the form in which a word is searched, and whether that is the word as it is written.

    A word is searched as it is written if it has a dot, or if folding leaves too little of it: of C++ one letter, of a
    picture nothing.
    """
    letters, plain = letters_of(word), as_written(word)
    bare = unicodedata.normalize("NFC", plain).rstrip(".")  # as folding writes Hangul
    is_literal = "." in bare or (len(letters) <= 1 and letters != bare)
    return (plain, True) if is_literal else (letters, False)


def is_alphabetic(letters: str) -> bool:
    """Return whether these are letters of an alphabet or digits, which need borders. Chinese characters need none."""
    return letters.isalnum() and max(letters) < _FIRST_BEYOND_ALPHABETS


def _automaton(words: set[str]) -> AhoCorasick:
    return AhoCorasick(sorted(words - {""}), store_patterns=False)  # sorted words take half the time to build


class _Text:
    """The original text, with the place in it of each character of its searched form."""

    def __init__(self, text: str, places_of: Callable[[str], list[tuple[int, int]]]) -> None:
        self.text, self._places_of = text, places_of

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        return self._places_of(self.text)

    @cached_property
    def addresses(self) -> list[tuple[int, int]]:
        return [found.span() for found in _ADDRESS.finditer(self.text)]

    def span(self, start: int, end: int) -> tuple[int, int]:
        return self.places[start][0], self.places[end - 1][1]

    def allows(self, word: str, key: str, start: int, end: int) -> bool:
        """Return whether a word whose folded form is `key` may stand at this place of the folded text."""
        if not (is_alphabetic(key[0]) or is_alphabetic(key[-1])):
            return True
        is_spelled = False
        if is_alphabetic(key):
            gaps = self._gaps(start, end)
            if self._is_within_address(start, end) or not _is_one_word(word, key, gaps):
                return False
            is_spelled = bool(gaps) and all(gaps)
        return self._has_border(key[0], start, -1, is_spelled) and self._has_border(key[-1], end - 1, 1, is_spelled)

    def allows_literally(self, key: str, start: int, end: int) -> bool:
        """Return whether a word that is searched as it is written may stand at this place."""
        gaps = self._gaps(start, end)
        if any(gaps) and any(len(run) > 1 for piece in _pieces(key, gaps) for run in _RUN.findall(piece)):
            return False
        return not self._is_part_of_longer(key, start, end)

    def _gaps(self, start: int, end: int) -> list[str]:
        """Return the visible text between each two characters of a hit."""
        ends = zip(self.places[start : end - 1], self.places[start + 1 : end], strict=True)
        return [self._visible(self.text[before[1] : after[0]]) for before, after in ends]

    def _visible(self, text: str) -> str:
        return "".join(letter for letter in text if not is_unseen(letter))

    def _is_within_address(self, start: int, end: int) -> bool:
        """Return whether the hit is a part of a web or mail address, as qq in mp.weixin.qq.com is."""
        first, last = self.span(start, end)
        return any(a <= first and last <= b and (first, last) != (a, b) for a, b in self.addresses)

    def _has_border(self, edge: str, at: int, step: int, is_spelled: bool) -> bool:
        """Return whether the word ends here, on the side of `step`, whose last character is `edge`."""
        if not is_alphabetic(edge):
            return True
        beyond = at + step
        if 0 <= beyond < len(self.places) and self.places[beyond] == self.places[at]:
            return False  # one character that stands for several letters
        near = self._beyond(at, step)
        letters = shown_letters(near[0]) if near else ""
        if is_alphabetic(letters):
            return edge.isalpha() and _is_number(near, _NUMBER_AFTER if step > 0 else _NUMBER_BEFORE)
        if edge.isdigit() and len(near) > 1 and near[0] in _WITHIN_NUMBERS and near[1].isdigit():
            return False
        if edge.isalpha() and len(near) > 1 and near[0] in _APOSTROPHES and near[1].isalpha():
            return False
        return not (is_spelled and _goes_on(edge, near))

    def _beyond(self, at: int, step: int) -> str:
        """Return the visible text on the side `step` of a character, the nearest character first."""
        first, last = self.places[at]
        side = self.text[max(0, first - _CONTEXT) : first][::-1] if step < 0 else self.text[last : last + _CONTEXT]
        return self._visible(side)

    def _is_part_of_longer(self, key: str, start: int, end: int) -> bool:
        """Return whether the hit belongs to a longer name: 6.4 to 16.4, b.com to ab.com or b.com.cn."""
        before, after = self._beyond(start, -1), self._beyond(end - 1, 1)
        if is_alphabetic(key[0]) and (_is_letter(before[:1]) or (before[:1] == "-" and not key[0].isdigit())):
            return True
        return is_alphabetic(key[-1]) and (
            _is_letter(after[:1]) or (after[:1] in (".", "-") and _is_letter(after[1:2]))
        )


def _is_one_word(word: str, key: str, gaps: Sequence[str]) -> bool:
    """Return whether a word of an alphabet that is written with these gaps is one word.

    Gaps of decoration keep it one word. Blanks do so when each letter stands alone, or where the list has them too. For
    digits each one must stand alone, because a part of them is a number of its own.
    """
    if not any(gaps):
        return True
    if any(mark in gap for gap in gaps for mark in _CONNECTING):
        return False
    if key.isdigit():
        return all(gaps) and len(key) > 2
    is_apart = any(_has_blank(gap) for gap in gaps)
    return not is_apart or all(gaps) or _pieces(key, gaps) == [letters_of(piece) for piece in word.split()]


def _has_blank(gap: str) -> bool:
    return any(letter.isspace() for letter in gap)


def _pieces(key: str, gaps: Sequence[str]) -> list[str]:
    """Return the parts of the word between the gaps."""
    pieces = [key[0]]
    for letter, gap in zip(key[1:], gaps, strict=True):
        if gap:
            pieces.append(letter)
        else:
            pieces[-1] += letter
    return pieces


def _is_letter(letter: str) -> bool:
    return is_alphabetic(shown_letters(letter))


def _is_number(near: str, length: int) -> bool:
    """Return whether at least so many digits stand next to the word."""
    digits = "".join(map(shown_letters, near[:length]))
    return len(digits) == length and digits.isdigit()


def _goes_on(edge: str, near: str) -> bool:
    """Return whether another single letter follows a spelled word: S M L does not contain SM."""
    for index, letter in enumerate(near):
        letters = shown_letters(letter)
        if letters:
            is_alone = not shown_letters(near[index + 1 : index + 2])
            return is_alphabetic(letters) and letters[0].isdigit() == edge.isdigit() and is_alone
    return False
