"""Lookups of objects that a request names by id or code."""

import uuid

from django.db.models import Q


def as_uuid(text: object) -> uuid.UUID | None:
    """Return the UUID of a text. Returns None when the text is not a UUID."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None


def has_id(text: object) -> Q:
    """Return a filter for the row with this id. A text that is not a UUID matches no row."""
    found = as_uuid(text)
    return Q(pk=found) if found else Q(pk__in=[])


def id_or_code(reference: object) -> Q:
    """Return a filter for the row whose id or gateway code is `reference`. Impossible values match no row."""
    text = str(reference)
    if not text or "\x00" in text or len(text) > 128:
        return Q(pk__in=[])
    try:
        return Q(pk=uuid.UUID(text)) | Q(code=text)
    except ValueError:
        return Q(code=text)
