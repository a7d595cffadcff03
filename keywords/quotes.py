"""Removal of quotations from the text of a message."""

import re

# WeChat writes a quotation as 「Zhang San：the quoted text」, a line of dashes, and below it the text of the speaker.
# The quoted text may contain quotations itself, so the last such line counts.
_QUOTATION = re.compile(
    "\\A\\s*\u300c.*\u300d\\s*\n[ \t]*(?:[-\u2010-\u2015\u2500\uff0d][ \t]*){3,}\r?(?:\n|\\Z)", re.DOTALL
)


def without_quotation(text: str) -> str:
    """Return the part of a message that its speaker wrote."""
    return _QUOTATION.sub("", text, count=1)
