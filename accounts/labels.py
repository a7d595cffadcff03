"""Users on pages for operators: nickname and masked phone, with a link to the user's page."""

from django.utils.safestring import SafeString

from accounts.models import User
from config.backoffice.readable import row_link
from config.platform.characters import isolated
from config.platform.logging import masked


def person_label(user: User) -> str:
    """Return the user's nickname and masked phone: nicknames are not unique."""
    return " ".join(part for part in (isolated(str(user)), masked(user.phone or "")) if part)


def person_link(user: User) -> SafeString:
    """Return a link to the user's page with nickname and masked phone."""
    return row_link(user, person_label(user))
