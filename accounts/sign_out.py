"""Sign-out of users on every device, for example after a phone was lost or an account was stolen."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from accounts.models import User


def sign_out_all(ids: Iterable[UUID], *, at: datetime) -> int:
    """Invalidate the WeChat proofs and access tokens of these users. Returns the number of users signed out."""
    return User.objects.filter(pk__in=list(ids), is_staff=False).update(signed_out_at=at)
