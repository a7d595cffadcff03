"""Who acts, in a word for the books."""

from rest_framework.request import Request

from config.models import ApiKey
from config.platform.audit import KEY_PREFIX, LONGEST_ACTOR


def actor(request: Request) -> str:
    """The operator's name, the key's name, or the user's id; at most 80 characters, as the books keep it."""
    if isinstance(request.auth, ApiKey):
        return f"{KEY_PREFIX}{request.auth.name}"[:LONGEST_ACTOR]
    if request.user.is_authenticated:
        return str(getattr(request.user, "username", None) or request.user.pk)
    return f"{KEY_PREFIX}未认证"
