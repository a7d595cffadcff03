"""Names of users on pages about money: enough to recognize a user, without the whole phone."""

from accounts.models import User
from config.platform.logging import masked


def display_name(user: User | None) -> str:
    """Return the user's nickname (or username or id) and masked phone."""
    return " ".join(part for part in (str(user), masked(user.phone or "")) if part) if user else ""
