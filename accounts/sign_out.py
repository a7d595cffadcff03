"""Signing users out on every device: a lost phone, an account in wrong hands."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from accounts.models import User


def sign_out_all(ids: Iterable[UUID], *, at: datetime) -> int:
    """End the WeChat proofs and access tokens of these users; they sign in anew through WeChat. Returns how many users."""
    return User.objects.filter(pk__in=list(ids), is_staff=False).update(signed_out_at=at)
