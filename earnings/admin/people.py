"""Names of users on pages about money: enough to recognize a user, without the whole phone."""

from accounts.labels import person_label
from accounts.models import User


def display_name(user: User | None) -> str:
    """Return the user's nickname (or username or id) and masked phone, or "" without a user."""
    return person_label(user) if user else ""
