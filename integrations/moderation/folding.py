"""Folding: the form of a text in which sensitive words are searched, and the places of its characters in the text.

Folding costs more than searching. Nearly all text consists of Chinese characters and sentence marks; from such text only
the blanks are removed. Other text is normalized.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

# The marks that end or divide a sentence, and line ends, are kept, so that no word is found across them. (Full width:
# comma, full stop, exclamation mark, question mark, enumeration comma, colon, semicolon; normalized, most become ASCII.)
_WIDE_STOPS = "\uff0c\u3002\uff01\uff1f\u3001\uff1a\uff1b"
_STOPS = ",!?:;\u3002\u3001\n\r\x0b\x0c\x85\u2028\u2029"
# An ellipsis or dash of Chinese text (each two characters wide) and an English full stop divide sentences too; one dot
# or stroke alone does not. The replacements keep every character in its place.
_AS_STOPS = (("\u2026\u2026", "\u3002\u3002"), ("\u2014\u2014", "\u3002\u3002"), (". ", "\u3002 "))
_NOT_PLAIN = re.compile(f"[^\u4e00-\u9fff{_WIDE_STOPS}\n]")
_NOT_CHINESE = re.compile("[^\u4e00-\u9fff]")
_UNUSUAL = re.compile(f"[^\u4e00-\u9fff{_STOPS}]+")
_NARROW_STOPS = tuple(zip("\uff0c\uff01\uff1f\uff1a\uff1b", ",!?:;", strict=True))
_SHORT = 16  # characters of parts whose normal form is kept
# Neither letters nor digits: marks, blanks, pictures, invisible and combining characters.
_DECORATION = re.compile(f"[^\\w{_STOPS}]+")
# Letters by their category that look like marks: accents and strokes that stand alone, clicks, the Arabic line that
# stretches words, Hangul fillers and bars, the Japanese long and repeating marks, tone letters.
_LETTERS_LIKE_MARKS = re.compile(
    "[_\u01c0-\u01c3\u02b0-\u02ff\u0640\u115f\u1160\u1173\u1175\u3005\u3031-\u3035\u303b\u309d\u309e\u30fc-\u30fe"
    "\u3164\ua717-\ua71f\ua788]+"
)
_BLANK_OR_UNSEEN = re.compile(
    "[^\\S\n\r\x0b\x0c\x85\u2028\u2029]|"
    "[\u00ad\u0300-\u036f\u115f\u1160\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ud800-\udfff\ufeff]"
)
# Hangul syllables may be written as several letters, with decoration between them: a run of them is folded as a whole.
_HANGUL_PARTS = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\ud7b0-\ud7ff\uffa0-\uffdc"
_HAS_HANGUL_PARTS = re.compile(f"[{_HANGUL_PARTS}]")
_HANGUL = f"[\uac00-\ud7a3{_HANGUL_PARTS}]"
# The groups of characters overlap. (?>…) tries one group per character; trying all would double the time with each one.
_CLUSTER = re.compile(
    f"{_HANGUL}(?:(?>{_DECORATION.pattern[:-1]}|{_LETTERS_LIKE_MARKS.pattern[:-1]}|{_HANGUL})*{_HANGUL})?|.",
    re.DOTALL,
)


def folded(text: str) -> str:
    """Return the letters and digits, small, without accents, in compatibility form, and the marks between sentences."""
    close = text.replace(" ", "")
    return close if is_plain(close) else _normalized(_with_stops(text))


def letters_of(text: str) -> str:
    """Return the letters and digits of the folded text alone."""
    return "".join(filter(str.isalnum, folded(text)))


def as_written(text: str) -> str:
    """Return the text with its marks, without accents, blanks and invisible characters, small, in compatibility form."""
    return _BLANK_OR_UNSEEN.sub("", unicodedata.normalize("NFKD", text).casefold())


def is_chinese(text: str) -> bool:
    """Return whether the text holds only everyday Chinese characters, which folding leaves as they are."""
    return _NOT_CHINESE.search(text) is None


def is_plain(text: str) -> bool:
    """Return whether the text holds nothing but everyday Chinese characters and sentence marks."""
    return _NOT_PLAIN.search(text) is None


def places_of_folded(text: str) -> list[tuple[int, int]]:
    """Return the start and end in the text of the source of each character of `folded(text)`."""
    return _places(_with_stops(text), _normalized, _letters_of)


def places_of_written(text: str) -> list[tuple[int, int]]:
    """Return the start and end in the text of the source of each character of `as_written(text)`."""
    return _places(text, as_written, _written_of)


def shown_letters(text: str) -> str:
    """Return one character of a text as it is compared: empty for marks, blanks and invisible characters."""
    return _letters_of(text)


def is_unseen(letter: str) -> bool:
    """Return whether a character is invisible or combines with the one before it."""
    return unicodedata.category(letter) in ("Cf", "Mn", "Me", "Cs") or letter in "\u115f\u1160\u3164\uffa0"


def _normalized(text: str) -> str:
    """Normalize the parts of the text between Chinese characters and stops, which stay as they are."""
    for wide, narrow in _NARROW_STOPS:
        text = text.replace(wide, narrow)
    return _UNUSUAL.sub(_normalized_part, text)


def _normalized_part(found: re.Match[str]) -> str:
    part = found.group()
    return _short_normal_form(part) if len(part) <= _SHORT else _normal_form(part)


def _normal_form(text: str) -> str:
    # NFKD separates accents, which are dropped as marks. NFC composes Hangul again.
    letters = _DECORATION.sub("", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", _LETTERS_LIKE_MARKS.sub("", letters))


def _with_stops(text: str) -> str:
    for marks, stops in _AS_STOPS:
        text = text.replace(marks, stops)
    return text


_short_normal_form = lru_cache(maxsize=20_000)(_normal_form)
_letters_of = lru_cache(maxsize=20_000)(_normalized)  # of single characters
_written_of = lru_cache(maxsize=20_000)(as_written)


def _places(
    text: str, form_of: Callable[[str], str], form_of_letter: Callable[[str], str]
) -> list[tuple[int, int]]:
    if _HAS_HANGUL_PARTS.search(text) is None:
        return [(at, at + 1) for at, letter in enumerate(text) for _ in form_of_letter(letter)]
    places = [part.span() for part in _CLUSTER.finditer(text) for _ in form_of(part.group())]
    length = len(form_of(text))
    return places if len(places) == length else [(0, len(text))] * length
