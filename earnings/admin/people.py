"""How a page about money names somebody: enough to know who is meant, not the whole phone."""

from accounts.models import User
from config.platform.logging import masked


def display_name(user: User | None) -> str:
    """Nickname (or whatever there is) and masked phone."""
    return " ".join(part for part in (str(user), masked(user.phone or "")) if part) if user else ""
