"""The addresses and the key that all contestants share, and what they keep of earlier requests."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import jwt

_FOUND = json.loads((Path(os.environ["RUN_DIR"]) / "services.json").read_text())
DATABASE_URL: str = _FOUND["database_url"]
REDIS_URL: str = _FOUND["redis_url"]
KEPT_SECONDS = 0.2
CACHED_SECONDS = 10
WITHDRAWALS = 1_000_000  # calls of a user in a minute: none is refused for it
_SECRET: str = _FOUND["secret_key"]
_tokens: dict[str, dict[str, Any]] = {}
_answers: dict[str, tuple[float, bytes]] = {}


def verified(header: str) -> dict[str, Any]:
    """Return the claims of a token whose signature is verified now."""
    claims: dict[str, Any] = jwt.decode(header.removeprefix("Bearer "), _SECRET, ["HS256"])
    return claims


def verified_once(header: str) -> dict[str, Any]:
    """Return the claims of a token whose signature this process verifies once, and whose end it checks each time."""
    claims = _tokens.get(header)
    if claims is None:
        if len(_tokens) > 4096:
            _tokens.clear()
        claims = _tokens[header] = verified(header)
    if claims["exp"] <= time.time():
        raise jwt.ExpiredSignatureError
    return claims


def key_hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def kept(name: str) -> bytes | None:
    """Return an answer that this process keeps for KEPT_SECONDS."""
    until, answer = _answers.get(name, (0.0, b""))
    return answer if time.monotonic() < until else None


def keep(name: str, answer: bytes) -> bytes:
    _answers[name] = (time.monotonic() + KEPT_SECONDS, answer)
    return answer
