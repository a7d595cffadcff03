"""What holds for every operation, good call or bad, whoever calls."""

from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.utils import timezone

from accounts.authentication import issue_token
from config import links
from config.api_keys import issue_key
from config.models import Scope
from tests.contract.operations import OPERATIONS, Call, Operation, World
from tests.factories.money import give
from tests.factories.people import FriendshipFactory, GroupFactory, OperatorFactory, RobotFactory, UserFactory

pytestmark = pytest.mark.django_db
ENVELOPE = ["code", "description", "data", "page_info"]
each = pytest.mark.parametrize("operation", OPERATIONS, ids=str)
_SLUG_OF = "https://example.com/contract"


@pytest.fixture
def world(sandbox: Any) -> World:
    alice, mallory = UserFactory(nickname="alice", phone="13900139000"), UserFactory(nickname="mallory")
    robot = RobotFactory()
    FriendshipFactory(user=alice, robot=robot)
    give(alice, "50")
    return World(
        alice=alice,
        mallory=mallory,
        robot=robot,
        group=GroupFactory(user=alice, robot=robot),
        theirs=GroupFactory(user=mallory, robot=robot),
        slug=links.shorten(_SLUG_OF).rsplit("/", 1)[1],
        facts={"met": UserFactory(union_id=None, open_id="", completed_at=None)},
    )


def headers_of(operation: Operation, world: World) -> dict[str, str]:
    """The credential that this operation asks for."""
    kind, _, scope = operation.credential.partition(":")
    if kind in ("user", "user_or_service"):
        return {"Authorization": f"Bearer {issue_token(world.alice)}"}
    if kind == "service":
        return {"X-Api-Key": issue_key("contract", [scope])}
    return {"X-Api-Key": issue_key("contract", [Scope.AUTH_ISSUE])} if kind == "proof" else {}


def call(operation: Operation, what: Call, headers: dict[str, str]) -> Any:
    path, body = what
    send = getattr(Client(raise_request_exception=False), operation.method.lower())
    if operation.method == "GET":
        return send(path, headers=headers)
    return send(path, data=body if body is not None else {}, content_type="application/json", headers=headers)


def assert_wrapped(operation: Operation, answer: Any) -> dict[str, Any]:
    told = answer.json()
    if operation.shape == "token":
        assert list(told)[:2] == ["code", "msg"]
        return {"code": told["code"], "description": told["msg"], "page_info": {}}
    assert list(told) == ENVELOPE
    return told


@each
def test_a_good_call_is_answered_in_the_envelope(operation: Operation, world: World):
    answer = call(operation, operation.good(world), headers_of(operation, world))
    if operation.shape == "redirect":
        assert (answer.status_code, answer["Location"]) == (302, _SLUG_OF)
        return
    told = assert_wrapped(operation, answer)
    assert told["code"] == operation.code, told
    if operation.credential != "signed":
        assert answer.status_code == 200


_BAD = [(operation, n) for operation in OPERATIONS for n in range(len(operation.bad))]


@pytest.mark.parametrize(("operation", "number"), _BAD, ids=[f"{operation} {n}" for operation, n in _BAD])
def test_bad_input_is_1403_and_says_what_is_wrong(operation: Operation, number: int, world: World):
    answer = call(operation, operation.bad[number](world), headers_of(operation, world))
    told = assert_wrapped(operation, answer)
    assert (answer.status_code, told["code"]) == (200, 1403), told
    assert ":" in told["description"]


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.missing], ids=str)
def test_what_is_not_there_is_1404(operation: Operation, world: World):
    assert operation.missing is not None
    answer = call(operation, operation.missing(world), headers_of(operation, world))
    assert assert_wrapped(operation, answer)["code"] == 1404


_CLOSED = [one for one in OPERATIONS if one.credential not in ("public", "signed")]


@pytest.mark.parametrize("operation", _CLOSED, ids=str)
def test_nobody_gets_in_without_a_credential(operation: Operation, world: World, settings: Any):
    settings.ENFORCE_AUTH = True
    answer = call(operation, operation.good(world), {})
    told = assert_wrapped(operation, answer)
    assert (answer.status_code, told["code"]) == (200, 1401), told


@pytest.mark.parametrize("operation", _CLOSED, ids=str)
@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}, {"X-Api-Key": "nonsense"}],
    ids=["bad token", "basic", "bad key"],
)
def test_a_wrong_credential_is_refused(operation: Operation, headers: dict[str, str], world: World, settings: Any):
    settings.ENFORCE_AUTH = True
    assert assert_wrapped(operation, call(operation, operation.good(world), headers))["code"] == 1401


@pytest.mark.parametrize("operation", _CLOSED, ids=str)
def test_a_key_without_the_scope_is_refused(operation: Operation, world: World, settings: Any):
    settings.ENFORCE_AUTH = True
    headers = {"X-Api-Key": issue_key("other", [Scope.STATUS_WRITE])}
    assert assert_wrapped(operation, call(operation, operation.good(world), headers))["code"] == 1401


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.credential.startswith("service")], ids=str)
def test_a_user_is_no_outside_system(operation: Operation, world: World, settings: Any):
    settings.ENFORCE_AUTH = True
    headers = {"Authorization": f"Bearer {issue_token(world.alice)}"}
    assert assert_wrapped(operation, call(operation, operation.good(world), headers))["code"] == 1401


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.credential.startswith("service")], ids=str)
def test_an_operator_with_every_permission_may_call_what_systems_call(
    operation: Operation, world: World, settings: Any
):
    settings.ENFORCE_AUTH = True
    client = Client()
    client.force_login(OperatorFactory())
    path, body = operation.good(world)
    answer = getattr(client, operation.method.lower())(path, data=body or {}, content_type="application/json")
    assert answer.json()["code"] == operation.code


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.credential.startswith("service")], ids=str)
def test_an_operator_without_the_permission_may_not(operation: Operation, world: World, settings: Any):
    settings.ENFORCE_AUTH = True
    client = Client()
    client.force_login(OperatorFactory(is_superuser=False))
    path, body = operation.good(world)
    answer = getattr(client, operation.method.lower())(path, data=body or {}, content_type="application/json")
    assert answer.json()["code"] == 1401


_WRITES = [one for one in OPERATIONS if one.method != "GET" and one.credential.startswith("user")]


@pytest.mark.parametrize("operation", _WRITES, ids=str)
def test_a_blocked_user_writes_nothing(operation: Operation, world: World):
    world.alice.blocked_at = timezone.now()
    world.alice.save()
    told = assert_wrapped(operation, call(operation, operation.good(world), headers_of(operation, world)))
    assert told["code"] == (3004 if operation.route == "withdraw" else 1401)
    assert "封" in told["description"]


@each
def test_a_wrong_method_is_405(operation: Operation, world: World):
    answer = Client().patch(operation.good(world)[0], data={}, content_type="application/json")
    told = assert_wrapped(operation, answer)
    assert (answer.status_code, told["code"]) == (405, 1405)


JUNK = [[], "x", 1, None, True, {"": ""}, [[[]]], {"union_id": "\x00", "url": "\x00", "balance": "1e999999"}]


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.method != "GET"], ids=str)
@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_junk_is_refused_and_breaks_nothing(operation: Operation, junk: Any, world: World):
    answer = call(operation, (operation.good(world)[0], junk), headers_of(operation, world))
    assert answer.status_code < 500
    assert assert_wrapped(operation, answer)["code"] in (1200, 1401, 1403)


def _routes(patterns: Any) -> set[str]:
    found = set()
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            found.add(str(pattern.pattern))
        elif str(pattern.pattern) != "admin/":
            found |= _routes(pattern.url_patterns)
    return found


def test_every_route_has_its_rows():
    assert _routes(get_resolver().url_patterns) - {"schema", "docs"} == {one.route for one in OPERATIONS}
