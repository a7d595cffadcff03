"""The proof that WeChat has just vouched for a caller: a union_id alone is no password."""

import logging

from django.conf import settings
from django.core import signing
from rest_framework.request import Request
from rest_framework.response import Response

from config.errors import NotAllowed
from config.models import ApiKey, Scope

logger = logging.getLogger(__name__)

COOKIE = "wechat_proof"
_SALT = "accounts.wechat_proof"
_warned: set[str] = set()


class ProofMissing(NotAllowed):
    message = "请先通过微信授权,再进行此操作"


def give_proof(response: Response, *, union_id: str, open_id: str) -> None:
    """Let the browser carry what WeChat vouched for, signed, for two hours."""
    response.set_cookie(
        COOKIE,
        signing.dumps({"union_id": union_id, "open_id": open_id}, salt=_SALT),
        max_age=settings.WECHAT_PROOF_MAX_AGE,
        httponly=True,
        samesite="Lax",
        secure=not settings.EMBEDDED,
    )


def require_proof(request: Request, union_id: str) -> None:
    """1401 unless WeChat vouched for this union_id, or a key may act for users (scope auth:issue)."""
    if isinstance(request.auth, ApiKey):
        if request.auth.allows(Scope.AUTH_ISSUE):
            return
        raise ProofMissing
    if _proven_union_id(request) == union_id:
        return
    if settings.ENFORCE_AUTH:
        raise ProofMissing
    _warn_once(request)


def _proven_union_id(request: Request) -> str | None:
    try:
        proof = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=settings.WECHAT_PROOF_MAX_AGE)
    except signing.BadSignature:
        return None
    return str(proof["union_id"])


def _warn_once(request: Request) -> None:
    operation = f"{request.method} {request.resolver_match.route if request.resolver_match else request.path}"
    if operation not in _warned:
        _warned.add(operation)
        logger.warning("%s asks for no WeChat proof in the embedded mode (ENFORCE_AUTH=1 does)", operation)
