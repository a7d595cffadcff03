"""WeChat proofs: a union_id is not secret, so a caller may act for it only with WeChat's proof."""

import logging
from typing import Any

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.models import User
from config.api import proofs
from config.api.proofs import Proof
from config.errors import NotAllowed
from config.models import ApiKey, Scope

logger = logging.getLogger(__name__)

_warned: set[str] = set()


class ProofMissing(NotAllowed):
    message = "请先通过微信授权，再进行此操作"


def require_proof(request: Request, union_id: str) -> Proof | None:
    """Return the caller's proof of this union_id.

    Returns None for callers who need no proof: a key with the scope auth:issue, or any caller in the open embedded mode.
    Raises ProofMissing (1401) for all others.
    """
    if isinstance(request.auth, ApiKey):
        if request.auth.allows(Scope.AUTH_ISSUE):
            return None
        raise ProofMissing
    proof = proofs.read(request)
    if proof is not None and proof.union_id == union_id:
        return proof
    if settings.ENFORCE_AUTH:
        raise ProofMissing
    _warn_once(request)
    return None


def proven_user(request: Any) -> User | None:
    """Return the user of the WeChat proof in this browser, or None without a valid proof of a known user."""
    return _user_of(proofs.read(request))


class ProofAuthentication(BaseAuthentication):
    """Authentication by the cookie with the WeChat proof."""

    def authenticate(self, request: Request) -> tuple[User, Proof] | None:
        proof = proofs.read(request)
        user = _user_of(proof)
        return (user, proof) if user is not None and proof is not None else None

    def authenticate_header(self, request: Request) -> str:
        return "Cookie"


def _user_of(proof: Proof | None) -> User | None:
    return User.objects.of_wechat_account(proof.union_id).first() if proof else None


def _warn_once(request: Request) -> None:
    operation = f"{request.method} {request.resolver_match.route if request.resolver_match else request.path}"
    if operation not in _warned:
        _warned.add(operation)
        logger.warning("%s asks for no WeChat proof in the embedded mode (ENFORCE_AUTH=1 does)", operation)
