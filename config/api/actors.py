"""The name of the acting person or system, as histories and the audit log store it."""

from rest_framework.request import Request

from config.models import ApiKey
from config.platform.audit import KEY_PREFIX, LONGEST_ACTOR


def actor(request: Request) -> str:
    """Return the operator's name, the key's name or the user's id, in the 80 characters that the columns hold."""
    if isinstance(request.auth, ApiKey):
        return f"{KEY_PREFIX}{request.auth.name}"[:LONGEST_ACTOR]
    if request.user.is_authenticated:
        return str(getattr(request.user, "username", None) or request.user.pk)
    return f"{KEY_PREFIX}未认证"
