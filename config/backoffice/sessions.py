"""The sessions of operators: which are open, and ending them.

Django's sessions in the database, in a table that knows whose each is and when it was used. The row of the list is the
session itself, so one that ended in whatever way is not listed, and one that is deleted opens nothing any more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.db import InterfaceError, OperationalError
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY, devices_for_user

from config.api.throttles import client_address
from config.models import OperatorSession
from config.networks import address_from
from config.retention import delete_in_chunks

SIGN_IN = "sign_in"  # in the session: what was seen when it began
LONGEST_USER_AGENT = 200
_FORGET = """
DELETE FROM config_operatorsession WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM config_operatorsession WHERE expire_date < %(before)s LIMIT %(chunk)s
))
"""


class SessionStore(DatabaseSessionStore):
    """The backend that settings.SESSION_ENGINE names. Each request saves its session, which notes the last use."""

    def save(self, must_create: bool = False) -> None:
        """Save the session. Raises OperationalError or InterfaceError while the database is away.

        Django takes every failure for a session that somebody ended meanwhile, and answers 400.
        """
        try:
            super().save(must_create)
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError | InterfaceError):
                raise error.__context__ from None
            raise

    @classmethod
    def get_model_class(cls) -> type[OperatorSession]:
        return OperatorSession

    def create_model_instance(self, data: dict[str, Any]) -> OperatorSession:
        row = cast(OperatorSession, super().create_model_instance(data))
        row.operator_id, row.last_used_at = data.get(SESSION_KEY), timezone.now()
        return row


@dataclass(frozen=True)
class SignedIn:
    """An open session as its operator sees it. `id` is not the key, which opens it."""

    id: str
    key: str
    signed_in_at: datetime
    last_used_at: datetime
    address: str
    user_agent: str


@receiver(user_logged_in)
def note_sign_in(request: HttpRequest, **_: Any) -> None:
    """Keep in the new session when it began, and from which address and browser."""
    address = address_from(client_address(request))
    request.session[SIGN_IN] = {
        "id": uuid4().hex,
        "at": timezone.now().isoformat(),
        "address": str(address or ""),
        "user_agent": request.META.get("HTTP_USER_AGENT", "")[:LONGEST_USER_AGENT],
    }


def open_sessions(operator: Any) -> list[SignedIn]:
    """Return the sessions in which this operator is signed in, the one used last first.

    One that stopped half-way (the password without the code), or that began under an older password, is none.
    """
    hashes = {operator.get_session_auth_hash(), *operator.get_session_auth_fallback_hash()}
    devices = (
        {device.persistent_id for device in devices_for_user(operator)} if settings.OPERATOR_TWO_FACTOR else None
    )
    rows = OperatorSession.objects.filter(operator=operator, expire_date__gt=timezone.now())
    found = ((row, row.get_decoded()) for row in rows)
    return [
        SignedIn(
            id=data[SIGN_IN]["id"],
            key=row.session_key,
            signed_in_at=datetime.fromisoformat(data[SIGN_IN]["at"]),
            last_used_at=row.last_used_at,
            address=data[SIGN_IN]["address"],
            user_agent=data[SIGN_IN]["user_agent"],
        )
        for row, data in found
        if data.get(HASH_SESSION_KEY) in hashes and (devices is None or data.get(DEVICE_ID_SESSION_KEY) in devices)
    ]


def end(operator: Any, key: str) -> None:
    """End one session of this operator."""
    OperatorSession.objects.filter(operator=operator, session_key=key).delete()


def end_others(operator: Any, *, than: str) -> None:
    """End every session of this operator but the one with this key, also those that stopped half-way."""
    OperatorSession.objects.filter(operator=operator).exclude(session_key=than).delete()


def end_all(operators: Iterable[Any]) -> None:
    """End every session of the operators with these primary keys."""
    OperatorSession.objects.filter(operator__in=list(operators)).delete()


def forget_ended(*, at: datetime) -> int:
    """Delete the sessions that nobody used for OPERATOR_SESSION_MINUTES. Returns how many."""
    return delete_in_chunks(_FORGET, before=at)
