"""Text as sensitive words are compared with it: without what people put between letters, or write instead of them.

Folding costs more than matching. Nearly all text is Chinese characters and a few marks: the commonest of these are
taken out one by one, and only what then holds anything else is normalized.
"""

import re
import unicodedata

_MARKS = "\uff0c\u3002\uff01\uff1f\u3001\uff1a, \n"  # , 。 ! ? 、 : in full width; comma, blank, new line
_NOT_CHINESE = re.compile("[^\u4e00-\u9fff]")
# Neither a letter nor a digit: marks, blanks, pictures, what is invisible or hangs on other letters. Three letters
# that show nothing are Hangul fillers.
_DECORATION = re.compile("[\\W_\u115f\u1160\u3164]+")


def folded(text: str) -> str:
    """Compatibility forms, small letters, and nothing but letters and digits."""
    for mark in _MARKS:
        text = text.replace(mark, "")
    if _NOT_CHINESE.search(text) is None:
        return text
    return _DECORATION.sub("", unicodedata.normalize("NFKC", text).casefold())
