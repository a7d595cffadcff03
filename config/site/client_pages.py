"""The addresses of the mobile web client's pages. No other module builds them.

The client defines the pages and their parameters; `CLIENT_BASE_URL` is their base address.
"""

from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings


def home(*, completion_key: str = "") -> str:
    """Return the address of the home page; with a key, the page also completes that person's profile."""
    return _page("home", userId=completion_key)


def adopt(*, inviter_id: UUID, channel: str) -> str:
    """Return the address of the page on which a friend of the inviter adopts a robot of the inviter's channel."""
    return _page("adopt", sharing_user_id=str(inviter_id), channel=channel)


def new_mass_message(draft_id: UUID) -> str:
    """Return the address of the page on which a user completes the draft of a mass message."""
    return _page("createmess", task_id=str(draft_id))


def mentions() -> str:
    """Return the address of the user's list of mentions."""
    return _page("altme")


def _page(name: str, **parameters: str) -> str:
    query = urlencode({key: value for key, value in parameters.items() if value})
    return f"{settings.CLIENT_BASE_URL}/{name}{'?' if query else ''}{query}"
