"""The WeChat proof: a signed cookie with the identity that WeChat has vouched for.

It lives as long as the client keeps the identity in cookies of its own, and is renewed at each sign-in. A proof that was
issued before its person was blocked or signed out is dead: the browser asks WeChat again. A proof issued to somebody who
is blocked lets them read, as their access token does.
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
    """One person as WeChat knows them. `issued_at`: seconds since 1970."""

    union_id: str
    open_id: str
    app_id: str
    issued_at: float


def issue(response: HttpResponseBase, *, union_id: str, open_id: str, app_id: str, at: datetime) -> None:
    """Set the cookie, for what was known at that moment; scripts cannot read it."""
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
    """Return the proof that a request carries; None when it has none, or one that is dead, forged, too old or malformed."""
    proof = read_signed(request)
    if proof is None:
        return None
    user = get_user_model().objects.filter(union_id=proof.union_id).first()
    return proof if user is None or _accepts(user, proof) else None


def _accepts(user: Any, proof: Proof) -> bool:
    ends = (user.blocked_at, user.signed_out_at, user.proofs_end_at)
    return user.is_active and all(proof.issued_at > end.timestamp() for end in ends if end is not None)


def read_signed(request: Any) -> Proof | None:
    """Return the proof as it was signed, dead or not: enough to tell callers apart, without a query."""
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


def forget(response: HttpResponseBase) -> None:
    """Have the browser forget who is there: the proof and the client's own identity."""
    response.delete_cookie(COOKIE, samesite="Lax")
    response.delete_cookie(CLIENT_IDENTITY_COOKIE)


def has_client_identity(request: Request) -> bool:
    """Return whether the client believes to know who is there."""
    return CLIENT_IDENTITY_COOKIE in request.COOKIES


def send_back_to_wechat(request: Request, response: HttpResponseBase) -> None:
    """Delete the client's own identity cookie, if the request has it: the client then asks WeChat again who is there."""
    if has_client_identity(request):
        response.delete_cookie(CLIENT_IDENTITY_COOKIE)
