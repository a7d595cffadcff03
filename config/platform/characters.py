"""Characters that people cannot see: what a text holds of them, and the text without them."""

import re
import unicodedata

_VARIATIONS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
# Zero-width and bidirectional characters, joiners, fillers, variation selectors: what two spellings may differ in.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    f"\ufff9-\ufffb{_VARIATIONS}"
)
_DROPPED_AT_ENDS = f"\\s\u2800{_INVISIBLE}"
_AT_START = re.compile(f"^[{_DROPPED_AT_ENDS}]+")
# It begins where such characters begin: tried at each of a long run of blanks, it would take the square of their number.
_AT_END = re.compile(f"(?<![{_DROPPED_AT_ENDS}])[{_DROPPED_AT_ENDS}]+$")
_VARIATION = re.compile(f"[{_VARIATIONS}]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSEEN = re.compile(f"[{_INVISIBLE}]+")
_OVERRIDES = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")  # turn the direction of what follows
_INVISIBLE_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Mn", "Me", "Zs", "Zl", "Zp"))


def is_visible(text: str) -> bool:
    """Return whether the text shows anything: a letter, a digit, a mark or a picture."""
    return any(
        unicodedata.category(letter) not in _INVISIBLE_CATEGORIES
        and not _UNSEEN.match(letter)
        and letter != "\u2800"
        for letter in text
    )


def stripped(text: str) -> str:
    """Return the text without blanks and invisible characters at its ends.

    A variation selector that ends a picture belongs to it.
    """
    text = _AT_START.sub("", text)
    rest = _AT_END.sub("", text)
    ending = text[len(rest) : len(rest) + 1]
    is_picture = bool(rest) and not rest[-1].isalnum() and _VARIATION.match(ending)
    return rest + ending if is_picture else rest


def has_control(text: str) -> bool:
    """Return whether the text holds a control character; line ends and tabs are some."""
    return _CONTROL.search(text) is not None


def breaks_line(text: str) -> bool:
    """Return whether the text holds what a line does not: a control character, or one that turns its direction."""
    return has_control(text) or _OVERRIDES.search(text) is not None


def in_one_line(text: str) -> str:
    """Return the text with a blank for each control character, and without those that turn its direction."""
    return stripped(_OVERRIDES.sub("", _CONTROL.sub(" ", text)))


def comparable(text: str) -> str:
    """Return the text in the form in which it is compared: compatibility form, small, nothing invisible."""
    return _UNSEEN.sub("", unicodedata.normalize("NFKC", text).casefold())
