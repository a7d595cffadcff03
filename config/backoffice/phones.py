"""Phones as people type them into a search."""

import re

_PHONE = re.compile(r"\+?[\d\s()-]{4,}")
_SPELLING = re.compile(r"(?:\+|00)?86[\s-]*(?=1[\d\s-]{10,})|[\s()-]+")


def plain_phone(text: str) -> str:
    """Return a phone without blanks, hyphens, brackets and country code, and any other text unchanged."""
    return (_SPELLING.sub("", text.strip()) or text) if _PHONE.fullmatch(text.strip()) else text
