"""The check of texts for sensitive words, and the preview of a file with words."""

import io

from integrations.moderation.words import SensitiveWordFound, require_clean
from tests.support.admin_pages import Operator

WORDS = "integrations/sensitiveword"


def is_refused(text: str) -> bool:
    """Return whether the text contains a sensitive word."""
    try:
        require_clean(text)
    except SensitiveWordFound:
        return True
    return False


def preview(operator: Operator, text: str, encoding: str = "utf-8", name: str = "words.csv") -> str:
    """Return the page with the preview of a file."""
    file = io.BytesIO(text.encode(encoding))
    file.name = name
    return operator.clicks(WORDS, "take_in", asked="yes", file=file)
