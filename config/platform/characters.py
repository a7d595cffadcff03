"""Invisible and control characters in texts: detection and removal."""

import re
import unicodedata

_VARIATIONS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
# Zero-width and bidirectional characters, joiners, fillers and variation selectors.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    f"\ufff9-\ufffb{_VARIATIONS}"
)
_DROPPED_AT_ENDS = f"\\s\u2800{_INVISIBLE}"
_AT_START = re.compile(f"^[{_DROPPED_AT_ENDS}]+")
# The lookbehind starts the match at the first such character only: starting at each would take quadratic time.
_AT_END = re.compile(f"(?<![{_DROPPED_AT_ENDS}])[{_DROPPED_AT_ENDS}]+$")
_VARIATION = re.compile(f"[{_VARIATIONS}]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSEEN = re.compile(f"[{_INVISIBLE}]+")
_OVERRIDES = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")  # change the text direction
_INVISIBLE_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Mn", "Me", "Zs", "Zl", "Zp"))


def is_visible(text: str) -> bool:
    """Return whether the text contains a visible character: a letter, a digit, a mark or a picture."""
    return any(
        unicodedata.category(character) not in _INVISIBLE_CATEGORIES
        and not _UNSEEN.match(character)
        and character != "\u2800"
        for character in text
    )


def stripped(text: str) -> str:
    """Return the text without blanks and invisible characters at its ends.

    A variation selector at the end of a picture is kept.
    """
    text = _AT_START.sub("", text)
    rest = _AT_END.sub("", text)
    ending = text[len(rest) : len(rest) + 1]
    is_picture = bool(rest) and not rest[-1].isalnum() and _VARIATION.match(ending)
    return rest + ending if is_picture else rest


def has_control(text: str) -> bool:
    """Return whether the text contains a control character, such as a line end or a tab."""
    return _CONTROL.search(text) is not None


def breaks_line(text: str) -> bool:
    """Return whether the text contains a control character or a character that changes its direction."""
    return has_control(text) or _OVERRIDES.search(text) is not None


def in_one_line(text: str) -> str:
    """Return the text with a blank for each control character and without characters that change its direction."""
    return stripped(_OVERRIDES.sub("", _CONTROL.sub(" ", text)))


def comparable(text: str) -> str:
    """Return the text in the form for comparisons: NFKC, case-folded, without invisible characters."""
    return _UNSEEN.sub("", unicodedata.normalize("NFKC", text).casefold())


def isolated(text: str) -> str:
    """Return a text of a user for the middle of a sentence: characters from right to left move nothing else."""
    has_other_direction = any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in text)
    return f"\u2068{text}\u2069" if has_other_direction else text
