"""Every operation with a credential refuses each kind of wrong credential without an error."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core import signing
from django.test import Client
from django.utils import timezone

from accounts import erasure
from accounts.authentication import issue_token
from config.api.keys import issue_key
from config.api.proofs import COOKIE
from config.models import ApiKey, OperatorSession, Scope
from tests.contract.calling import Headers, database_fingerprint, proof_of, send
from tests.contract.coverage import CELLS
from tests.contract.objects import Objects
from tests.contract.operations import OPERATIONS
from tests.contract.table import Operation
from tests.factories.people import OperatorFactory, UserFactory

pytestmark = pytest.mark.exhaustive

CLOSED = [one for one in OPERATIONS if one.kind not in ("public", "signed")]
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_PRIVATE = _RSA.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
Named = tuple[str, Headers]


def _bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def _claims(user_id: object, **changes: Any) -> dict[str, Any]:
    now = timezone.now()
    claims = {"token_type": "access", "exp": now + timedelta(hours=1), "iat": now, "jti": "1", "user_id": user_id}
    return {name: value for name, value in (claims | changes).items() if value is not None}


def _signed(claims: dict[str, Any], key: Any = None, algorithm: str = "HS256", **headers: Any) -> Headers:
    return _bearer(jwt.encode(claims, key or settings.SECRET_KEY, algorithm=algorithm, headers=headers or None))


def _unsigned(claims: dict[str, Any], algorithm: str) -> Headers:
    parts = ({"alg": algorithm, "typ": "JWT"}, claims | {"exp": 4_000_000_000, "iat": 1})
    return _bearer(
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."
    )


def _headers_that_are_none(good: str) -> Iterator[Named]:
    head, body, signature = good.split(".")
    yield "nothing", {}
    yield "no token", {"Authorization": "Bearer"}
    yield "three words", {"Authorization": f"Bearer {good} x"}
    yield "another scheme", {"Authorization": f"Token {good}"}
    yield "basic", {"Authorization": "Basic eDp5"}
    yield "latin-1", {"Authorization": "Bearer \xe9\xff"}
    yield "8 kB", _bearer("x" * 8000)
    yield "cut off", _bearer(good[:-5])
    yield "no signature", _bearer(f"{head}.{body}.")
    yield "another body", _bearer(f"{head}.{body[:-2]}AA.{signature}")
    yield "in a cookie", {"Cookie": f"access_token={good}; Authorization={good}"}
    yield "as a key", {"X-Api-Key": good}
    yield "as another header", {"X-Authorization": f"Bearer {good}", "X-User": "alice", "X-Forwarded-User": "alice"}


def _tokens_that_are_none(objects: Objects) -> Iterator[Named]:
    user_id = str(objects.alice.pk)
    yield "expired", _signed(_claims(user_id, exp=timezone.now() - timedelta(minutes=1)))
    yield "without an end", _signed(_claims(user_id, exp=None))
    yield "not yet", _signed(_claims(user_id, nbf=timezone.now() + timedelta(hours=1)))
    for algorithm in ("none", "None", "nOnE"):
        yield f"alg {algorithm}", _unsigned(_claims(user_id), algorithm)
    yield "another key", _signed(_claims(user_id), "another" * 10)
    yield "a blank key", _signed(_claims(user_id), b"\0" * 32)
    yield "HS512", _signed(_claims(user_id), algorithm="HS512")
    yield "RS256", _signed(_claims(user_id), _PRIVATE, "RS256")
    yield (
        "a key of its own",
        _signed(_claims(user_id), "theirs" * 10, jku="https://e.com/keys", kid="../../dev/null"),
    )
    for kind in ("refresh", "sliding", None):
        yield f"type {kind}", _signed(_claims(user_id, token_type=kind))
    for odd in ("abc", "\0", "", 5, 2**70, True, ["a"], {"a": 1}, None, "0" * 32, "' OR 1=1 --"):
        yield f"user_id {odd!r}", _signed(_claims(odd))
    switched_off, gone = UserFactory(is_active=False), UserFactory()
    token_of_gone = issue_token(gone)
    gone.delete()
    yield "somebody switched off", _bearer(issue_token(switched_off))
    yield "somebody deleted", _bearer(token_of_gone)
    erased = UserFactory(union_id="union-erased")
    token_of_erased, proof_of_erased = _bearer(issue_token(erased)), proof_of("union-erased")
    erasure.erase(user=erased, by="root", at=timezone.now())
    yield "somebody erased", token_of_erased
    yield "the proof of somebody erased", proof_of_erased
    yield "the token and the proof of somebody erased", token_of_erased | proof_of_erased


def _keys_that_are_none() -> Iterator[Named]:
    raw, revoked = issue_key("good", list(Scope.values)), issue_key("revoked", list(Scope.values))
    ApiKey.objects.filter(name="revoked").update(revoked_at=timezone.now())
    yield "revoked", {"X-Api-Key": revoked}
    yield "expired key", {"X-Api-Key": issue_key("expired", list(Scope.values))}
    ended = timezone.now() - timedelta(seconds=1)
    ApiKey.objects.filter(name="expired").update(created_at=ended - timedelta(days=1), expires_at=ended)
    elsewhere = ApiKey(name="elsewhere", networks=["203.0.113.0/24", "2001:db8::/32"])
    yield "a key of another address", {"X-Api-Key": issue_key(elsewhere, list(Scope.values))}
    yield "its hash", {"X-Api-Key": ApiKey.objects.get(name="good").key_hash}
    yield "its beginning", {"X-Api-Key": raw[:-1]}
    yield "more than it", {"X-Api-Key": raw + "x"}
    yield "latin-1 key", {"X-Api-Key": "\xe9" * 20}
    yield "a long key", {"X-Api-Key": "x" * 8000}
    yield "as a bearer", _bearer(raw)


def _proofs_that_are_none(objects: Objects) -> Iterator[Named]:
    def proof(payload: object, salt: str = "accounts.wechat_proof", key: str | None = None) -> Headers:
        return {"Cookie": f"{COOKIE}={signing.dumps(payload, salt=salt, key=key)}"}

    whole = {
        "union_id": objects.alice.union_id,
        "open_id": "o",
        "app_id": "sandbox",
        "issued_at": timezone.now().timestamp(),
    }
    for payload in (
        [1],
        "str",
        {},
        None,
        5,
        whole | {"issued_at": "1"},
        whole | {"union_id": ["a"]},
        whole | {"more": 1},
    ):
        yield f"proof {str(payload)[:20]}", proof(payload)
    yield "another salt", proof(whole, salt="accounts.other")
    yield "another signer", proof(whole, key="another" * 10)
    yield "an old proof", proof(whole | {"issued_at": 1.0}) | {"Cookie": f"{COOKIE}=x:y:z"}
    yield "no cookie at all", {"Cookie": "\x00; ;=;wechat_proof"}


def _sessions_that_are_none() -> Iterator[tuple[str, Client]]:
    leaver, half, whole = (OperatorFactory() for _ in range(3))
    clients = [Client(raise_request_exception=False, enforce_csrf_checks=True) for _ in range(3)]
    for client, operator in zip(clients, (leaver, half, whole), strict=True):
        client.force_login(operator)
    leaver.is_active = False
    leaver.save()
    yield "an operator who left", clients[0]
    OperatorSession.objects.filter(session_key=clients[1].session.session_key).delete()
    yield "a session that ended", clients[1]


@pytest.mark.parametrize("operation", CLOSED, ids=str)
def test_no_forged_credential_is_accepted(operation: Operation, objects: Objects, record_property: Any):
    good = issue_token(objects.alice)
    wrong = [
        *_headers_that_are_none(good),
        *_tokens_that_are_none(objects),
        *_keys_that_are_none(),
        *_proofs_that_are_none(objects),
    ]
    call, sessions = operation.good_call(objects), list(_sessions_that_are_none())
    before, answers = database_fingerprint(), {}
    for name, headers in wrong:
        answers[name] = send(operation, call, headers)
    for name, client in sessions:
        answers[name] = send(operation, call, {}, client=client)
    let_in = {
        name: (answer.status_code, answer.content[:80])
        for name, answer in answers.items()
        if (answer.status_code, answer.json()["code"]) != (200, 1401)
    }
    assert let_in == {}
    assert database_fingerprint() == before
    record_property(CELLS, len(answers))


@pytest.mark.parametrize("operation", [one for one in CLOSED if one.kind == "service" and one.is_write], ids=str)
def test_an_operator_writes_nothing_without_a_csrf_token(operation: Operation, objects: Objects):
    call, client = operation.good_call(objects), Client(enforce_csrf_checks=True)
    client.force_login(OperatorFactory())
    before = database_fingerprint()
    assert send(operation, call, {}, client=client).json()["code"] == 1401
    assert database_fingerprint() == before


@pytest.mark.parametrize("operation", [one for one in CLOSED if one.kind == "service"], ids=str)
def test_a_sign_in_without_the_second_factor_is_refused(operation: Operation, objects: Objects, settings: Any):
    """Sign in with the password only, where a code is required too."""
    settings.OPERATOR_TWO_FACTOR = True
    call, client = operation.good_call(objects), Client()
    client.force_login(OperatorFactory())
    assert send(operation, call, {}, client=client).json()["code"] == 1401
