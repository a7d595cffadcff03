"""Text as sensitive words are compared with it: without what people put between letters, or write instead of them.

Folding costs more than matching. Nearly all text is Chinese characters and a few marks: the commonest of these are
taken out one by one, and only what then holds anything else is normalized.
"""

import re
import unicodedata

_MARKS = "\uff0c\u3002\uff01\uff1f\u3001\uff1a, \n"  # , 。 ! ? 、 : in full width; comma, blank, new line
_NOT_CHINESE = re.compile("[^\u4e00-\u9fff]")
# Neither a letter nor a digit: marks, blanks, pictures, what is invisible or hangs on other letters.
# Then what counts as a letter and looks like a mark: accents and strokes that stand alone, clicks, the Arabic line
# that stretches words, Hangul fillers and bars, the Japanese long and repeating marks, tone letters.
_DECORATION = re.compile(
    "[\\W_\u01c0-\u01c3\u02b0-\u02ff\u0640\u115f\u1160\u1173\u1175\u3005\u3031-\u3035\u303b\u309d\u309e\u30fc-\u30fe"
    "\u3164\ua717-\ua71f\ua788]+"
)
_UNSEEN = re.compile("[\\s\u00ad\u115f\u1160\u200b-\u200f\u2060-\u2064\ud800-\udfff\ufeff]+")


def folded(text: str) -> str:
    """Letters and digits and nothing else, small, without accents, in their compatibility forms."""
    for mark in _MARKS:
        text = text.replace(mark, "")
    if is_chinese(text):
        return text
    # Taken apart, an accent is a mark that is dropped; Hangul is put together again.
    letters = _DECORATION.sub("", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", letters)


def as_written(text: str) -> str:
    """Marks and all, but for width, case, blanks and what cannot be seen."""
    return _UNSEEN.sub("", unicodedata.normalize("NFKC", text).casefold())


def is_chinese(text: str) -> bool:
    """Whether it is nothing but the characters of everyday Chinese, which folding leaves as they are."""
    return _NOT_CHINESE.search(text) is None
