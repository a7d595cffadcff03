"""The WeChat proof: a signed cookie with the identity that WeChat has vouched for.

It lives as long as the client keeps the identity in cookies of its own, and is renewed at each sign-in. Whether the
person behind it may still sign in is not decided here (`accounts.wechat_proof` does).
"""

from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request

COOKIE = "wechat_proof"
CLIENT_IDENTITY_COOKIE = "union_id"  # written by the client itself
_SALT = "accounts.wechat_proof"


@dataclass(frozen=True)
class Proof:
    """One person as WeChat knows them. `issued_at`: seconds since 1970."""

    union_id: str
    open_id: str
    app_id: str
    issued_at: float


def issue(response: HttpResponseBase, *, union_id: str, open_id: str, app_id: str) -> None:
    """Set the cookie, valid from now on; scripts cannot read it."""
    proof = Proof(union_id, open_id, app_id, timezone.now().timestamp())
    response.set_cookie(
        COOKIE,
        signing.dumps(asdict(proof), salt=_SALT),
        max_age=settings.WECHAT_PROOF_MAX_AGE,
        httponly=True,
        samesite="Lax",
        secure=not settings.EMBEDDED,
    )


def read(request: Any) -> Proof | None:
    """Return the proof that a request carries; None when it has none, or one that is forged, too old or malformed."""
    cookie = request.COOKIES.get(COOKIE, "")
    if not cookie:
        return None
    try:
        payload = signing.loads(cookie, salt=_SALT, max_age=settings.WECHAT_PROOF_MAX_AGE)
        proof = Proof(**payload)
    except (signing.BadSignature, TypeError, ValueError):
        return None
    texts = (proof.union_id, proof.open_id, proof.app_id)
    is_sound = all(isinstance(text, str) for text in texts) and isinstance(proof.issued_at, float)
    return proof if is_sound and proof.union_id else None


def send_back_to_wechat(request: Request, response: HttpResponseBase) -> None:
    """Delete the client's own identity cookie, if the request has it: the client then asks WeChat again who is there."""
    if CLIENT_IDENTITY_COOKIE in request.COOKIES:
        response.delete_cookie(CLIENT_IDENTITY_COOKIE)
