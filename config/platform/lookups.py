"""How a thing is named in a request: by its id or by its code."""

import uuid

from django.db.models import Q


def as_uuid(text: object) -> uuid.UUID | None:
    """The UUID that a text spells, if it spells one."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None


def has_id(text: object) -> Q:
    """A filter for the row whose id the text spells; nothing matches what is no id."""
    found = as_uuid(text)
    return Q(pk=found) if found else Q(pk__in=[])


def id_or_code(reference: object) -> Q:
    """A filter for the row whose id or gateway code is `reference`; nothing matches what is neither."""
    text = str(reference)
    if not text or "\x00" in text or len(text) > 128:
        return Q(pk__in=[])
    try:
        return Q(pk=uuid.UUID(text)) | Q(code=text)
    except ValueError:
        return Q(code=text)
