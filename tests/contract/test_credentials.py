"""The credentials of every operation."""

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.authentication import issue_token
from accounts.models import User
from config.models import Scope
from robots.models import Scan
from tests.contract.calling import (
    answer_to,
    credential_of,
    database_fingerprint,
    envelope_of,
    key_for,
    proof_of,
    send,
    token_of,
)
from tests.contract.objects import Objects
from tests.contract.operations import OPERATIONS
from tests.contract.table import Call, Operation
from tests.factories.people import OperatorFactory

pytestmark = pytest.mark.exhaustive

CLOSED = [one for one in OPERATIONS if one.kind not in ("public", "signed")]
SERVICE = [one for one in OPERATIONS if one.kind == "service"]
USERS = [one for one in OPERATIONS if one.kind.startswith("user")]
closed = pytest.mark.parametrize("operation", CLOSED, ids=str)
service = pytest.mark.parametrize("operation", SERVICE, ids=str)


def _refused(operation: Operation, objects: Objects, headers: dict[str, str], call: Call | None = None) -> bool:
    """Return whether the call (by default the good call) is refused with 1401 in HTTP 200, without a change."""
    call = call or operation.good_call(objects)
    before = database_fingerprint()
    response = send(operation, call, headers)
    answer = response.json()
    return (response.status_code, answer["code"]) == (200, 1401) and database_fingerprint() == before


@closed
def test_nobody_gets_in_without_a_credential(operation: Operation, objects: Objects):
    assert _refused(operation, objects, {})


WRONG = ({"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}, {"X-Api-Key": "nonsense"})


@closed
def test_a_wrong_credential_is_refused(operation: Operation, objects: Objects):
    assert [headers for headers in WRONG if not _refused(operation, objects, headers)] == []


@closed
def test_a_key_without_the_scope_is_refused(operation: Operation, objects: Objects):
    others = set(Scope.values) - {operation.scope, Scope.AUTH_ISSUE}
    assert _refused(operation, objects, key_for(*others))


@pytest.mark.parametrize("operation", [one for one in CLOSED if one.kind == "proof"], ids=str)
def test_a_proof_is_accepted_for_its_own_union_id(operation: Operation, objects: Objects):
    call = operation.proven_call(objects)
    assert answer_to(operation, call, proof_of(call.body["union_id"]))["code"] == operation.code


@pytest.mark.parametrize("operation", [one for one in CLOSED if one.kind in ("proof", "user_with_proof")], ids=str)
def test_a_proof_of_another_user_is_refused(operation: Operation, objects: Objects):
    headers = (token_of(objects.alice) if operation.kind == "user_with_proof" else {}) | proof_of("union-mallory")
    assert _refused(operation, objects, headers)


@service
def test_a_user_is_no_outside_system(operation: Operation, objects: Objects):
    assert _refused(operation, objects, token_of(objects.alice))


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.kind == "user_or_service"], ids=str)
def test_a_key_with_the_scope_may_too(operation: Operation, objects: Objects):
    assert answer_to(operation, operation.good_call(objects), key_for(operation.scope))["code"] == operation.code


def _as_operator(operation: Operation, objects: Objects, **fields: Any) -> dict[str, Any]:
    call, client = operation.good_call(objects), Client()
    client.force_login(OperatorFactory(**fields))
    return envelope_of(operation, send(operation, call, {}, client=client))


@service
def test_an_operator_with_every_permission_may_call_what_systems_call(operation: Operation, objects: Objects):
    assert _as_operator(operation, objects)["code"] == operation.code


@service
def test_an_operator_without_the_permission_may_not(operation: Operation, objects: Objects):
    assert _as_operator(operation, objects, is_superuser=False)["code"] == 1401


@pytest.mark.parametrize("operation", USERS, ids=str)
def test_a_blocked_user_reads_and_writes_nothing(operation: Operation, objects: Objects):
    call, headers = operation.good_call(objects), credential_of(operation, objects)
    objects.alice.blocked_at = timezone.now()
    objects.alice.save()
    before = database_fingerprint()
    response = send(operation, call, headers)
    answer = envelope_of(operation, response)
    assert answer["code"] == (operation.blocked_code if operation.is_write else operation.code)
    assert ("封" in answer["description"]) == operation.is_write
    assert not operation.is_write or database_fingerprint() == before


@pytest.mark.parametrize("operation", [one for one in CLOSED if one.kind == "proof" and one.is_write], ids=str)
def test_a_proof_of_somebody_blocked_writes_nothing(operation: Operation, objects: Objects):
    call = operation.proven_call(objects)
    person, union_id = objects.contact if operation.proven else objects.alice, call.body["union_id"]
    person.union_id, person.blocked_at = union_id, timezone.now()
    person.save()
    assert _refused(operation, objects, proof_of(union_id), call)


@pytest.mark.parametrize("operation", [one for one in CLOSED if one.kind == "proof"], ids=str)
def test_a_proof_takes_over_nobody(operation: Operation, objects: Objects):
    """Mallory has a WeChat account of her own, and knows what others know of the one whom a robot met."""
    call, victim = operation.proven_call(objects), objects.contact
    known = [str(victim.pk), victim.code, str(objects.alice.pk), objects.alice.code]
    sent = {**call.body, "union_id": "union-mallory", "open_id": "open-alice"}
    for name in known:
        attack = replace(call, path=dict.fromkeys(call.path, name), body={**sent, "sharing_user_id": name})
        send(operation, attack, proof_of("union-mallory"))
    assert User.objects.get(pk=victim.pk).union_id is None
    assert not User.objects.filter(union_id="union-mallory").exists()
    assert not Scan.objects.filter(open_id="open-alice").exists()


@pytest.mark.parametrize("operation", USERS, ids=str)
def test_an_inactive_user_is_not_authenticated(operation: Operation, objects: Objects):
    headers = {"Authorization": f"Bearer {issue_token(objects.alice)}"}
    objects.alice.is_active = False
    objects.alice.save()
    assert _refused(operation, objects, headers)
