"""Who may call what, as one table."""

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.authentication import issue_token
from accounts.models import User
from config.models import Scope
from robots.models import Scan
from tests.contract.calling import answer_to, credential_of, everything, key_for, proof_of, send, token_of, told_by
from tests.contract.operations import OPERATIONS
from tests.contract.table import Call, Operation
from tests.contract.world import World
from tests.factories.people import OperatorFactory

pytestmark = pytest.mark.exhaustive

CLOSED = [one for one in OPERATIONS if one.kind not in ("public", "signed")]
SERVICE = [one for one in OPERATIONS if one.kind == "service"]
USERS = [one for one in OPERATIONS if one.kind.startswith("user")]
closed = pytest.mark.parametrize("operation", CLOSED, ids=str)
service = pytest.mark.parametrize("operation", SERVICE, ids=str)


def _refused(operation: Operation, world: World, headers: dict[str, str], call: Call | None = None) -> bool:
    """Whether the answer to the call (the good one) is 1401 in a 200, and nothing happened."""
    call = call or operation.good_call(world)
    before = everything()
    response = send(operation, call, headers)
    told = response.json()
    return (response.status_code, told["code"]) == (200, 1401) and everything() == before


@closed
def test_nobody_gets_in_without_a_credential(operation: Operation, world: World):
    assert _refused(operation, world, {})


WRONG = ({"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}, {"X-Api-Key": "nonsense"})


@closed
def test_a_wrong_credential_is_refused(operation: Operation, world: World):
    assert [headers for headers in WRONG if not _refused(operation, world, headers)] == []


@closed
def test_a_key_without_the_scope_is_refused(operation: Operation, world: World):
    others = set(Scope.values) - {operation.scope, Scope.AUTH_ISSUE}
    assert _refused(operation, world, key_for(*others))


@pytest.mark.parametrize("operation", [one for one in CLOSED if one.kind == "proof"], ids=str)
def test_a_proof_opens_for_the_union_id_that_wechat_vouched_for(operation: Operation, world: World):
    call = operation.proven_call(world)
    assert answer_to(operation, call, proof_of(call.body["union_id"]))["code"] == operation.code


@pytest.mark.parametrize("operation", [one for one in CLOSED if one.kind in ("proof", "user_with_proof")], ids=str)
def test_a_proof_of_somebody_else_opens_nothing(operation: Operation, world: World):
    headers = (token_of(world.alice) if operation.kind == "user_with_proof" else {}) | proof_of("union-mallory")
    assert _refused(operation, world, headers)


@service
def test_a_user_is_no_outside_system(operation: Operation, world: World):
    assert _refused(operation, world, token_of(world.alice))


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.kind == "user_or_service"], ids=str)
def test_a_key_with_the_scope_may_too(operation: Operation, world: World):
    assert answer_to(operation, operation.good_call(world), key_for(operation.scope))["code"] == operation.code


def _as_operator(operation: Operation, world: World, **facts: Any) -> dict[str, Any]:
    call, client = operation.good_call(world), Client()
    client.force_login(OperatorFactory(**facts))
    return told_by(operation, send(operation, call, {}, client=client))


@service
def test_an_operator_with_every_permission_may_call_what_systems_call(operation: Operation, world: World):
    assert _as_operator(operation, world)["code"] == operation.code


@service
def test_an_operator_without_the_permission_may_not(operation: Operation, world: World):
    assert _as_operator(operation, world, is_superuser=False)["code"] == 1401


@pytest.mark.parametrize("operation", USERS, ids=str)
def test_a_blocked_user_reads_and_writes_nothing(operation: Operation, world: World):
    call, headers = operation.good_call(world), credential_of(operation, world)
    world.alice.blocked_at = timezone.now()
    world.alice.save()
    before = everything()
    response = send(operation, call, headers)
    told = told_by(operation, response)
    assert told["code"] == (operation.blocked_code if operation.is_write else operation.code)
    assert ("封" in told["description"]) == operation.is_write
    assert not operation.is_write or everything() == before


@pytest.mark.parametrize("operation", [one for one in CLOSED if one.kind == "proof" and one.is_write], ids=str)
def test_a_proof_of_somebody_blocked_writes_nothing(operation: Operation, world: World):
    call = operation.proven_call(world)
    person, union_id = world.met if operation.proven else world.alice, call.body["union_id"]
    person.union_id, person.blocked_at = union_id, timezone.now()
    person.save()
    assert _refused(operation, world, proof_of(union_id), call)


@pytest.mark.parametrize("operation", [one for one in CLOSED if one.kind == "proof"], ids=str)
def test_a_proof_takes_over_nobody(operation: Operation, world: World):
    """Mallory has a WeChat account of her own, and knows what others know of the one whom a robot met."""
    call, victim = operation.proven_call(world), world.met
    known = [str(victim.pk), victim.code, str(world.alice.pk), world.alice.code]
    sent = {**call.body, "union_id": "union-mallory", "open_id": "open-alice"}
    for name in known:
        attack = replace(call, path=dict.fromkeys(call.path, name), body={**sent, "sharing_user_id": name})
        send(operation, attack, proof_of("union-mallory"))
    assert User.objects.get(pk=victim.pk).union_id is None
    assert not User.objects.filter(union_id="union-mallory").exists()
    assert not Scan.objects.filter(open_id="open-alice").exists()


@pytest.mark.parametrize("operation", USERS, ids=str)
def test_a_user_who_was_switched_off_is_nobody(operation: Operation, world: World):
    headers = {"Authorization": f"Bearer {issue_token(world.alice)}"}
    world.alice.is_active = False
    world.alice.save()
    assert _refused(operation, world, headers)
