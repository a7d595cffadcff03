"""The WeChat proof: a signed cookie with an identity that WeChat has confirmed.

The cookie lasts as long as the identity cookies of the client and is renewed at each sign-in. A proof that was issued
before its user was blocked or signed out is invalid, and the browser signs in to WeChat again. A proof issued after a
user was blocked lets the user read, like an access token.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import signing
from django.http import HttpResponseBase
from rest_framework.request import Request

COOKIE = "wechat_proof"
CLIENT_IDENTITY_COOKIE = "union_id"  # written by the client itself
_SALT = "accounts.wechat_proof"


@dataclass(frozen=True)
class Proof:
    """The WeChat identity of one person. `issued_at`: seconds since 1970."""

    union_id: str
    open_id: str
    app_id: str
    issued_at: float


def issue(response: HttpResponseBase, *, union_id: str, open_id: str, app_id: str, at: datetime) -> None:
    """Set the cookie, which scripts cannot read. `at` is the moment at which WeChat confirmed the identity."""
    proof = Proof(union_id, open_id, app_id, at.timestamp())
    response.set_cookie(
        COOKIE,
        signing.dumps(asdict(proof), salt=_SALT),
        max_age=settings.WECHAT_PROOF_MAX_AGE,
        httponly=True,
        samesite="Lax",
        secure=not settings.EMBEDDED,
    )


def read(request: Any) -> Proof | None:
    """Return the proof of a request. Returns None when it is missing, revoked, forged, too old or malformed."""
    proof = read_signed(request)
    if proof is None:
        return None
    user = get_user_model().objects.filter(union_id=proof.union_id).first()
    return proof if user is None or _accepts(user, proof) else None


def _accepts(user: Any, proof: Proof) -> bool:
    ends = (user.blocked_at, user.signed_out_at, user.proofs_end_at)
    return user.is_active and all(proof.issued_at > end.timestamp() for end in ends if end is not None)


def read_signed(request: Any) -> Proof | None:
    """Return the signed proof without a query and without the check for revocation: enough to distinguish callers."""
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


def delete_proof(response: HttpResponseBase) -> None:
    """Delete the proof and the client's own identity cookie in the browser."""
    response.delete_cookie(COOKIE, samesite="Lax")
    response.delete_cookie(CLIENT_IDENTITY_COOKIE)


def has_client_identity(request: Request) -> bool:
    """Return whether the request carries the client's own identity cookie."""
    return CLIENT_IDENTITY_COOKIE in request.COOKIES


def send_back_to_wechat(request: Request, response: HttpResponseBase) -> None:
    """Delete the client's own identity cookie, if the request has it. The client then signs in to WeChat again."""
    if has_client_identity(request):
        response.delete_cookie(CLIENT_IDENTITY_COOKIE)
