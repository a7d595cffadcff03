"""Each command of the gateway has a class, which parses, writes, describes and orders the bodies of its events."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import jsonschema_rs
import pytest

from integrations.gateway.event_body import BY_COMMAND, EventBody
from integrations.gateway.events import GroupBound, RobotKicked, ordering_keys_of
from integrations.gateway.payloads import BadEvent
from integrations.gateway.subscriptions import Event, _handlers, handlers_of, subscribe
from integrations.models import GatewayEvent
from tests.factories.people import GroupFactory
from tests.integrations.events_page import COMMAND, PAGE, page
from tests.support.entry_points import gateway_sends

each = pytest.mark.parametrize("kind", BY_COMMAND.values(), ids=BY_COMMAND)
RECEIVED = datetime(2026, 11, 23, 10, tzinfo=UTC)


def test_every_class_has_a_handler():
    assert set(BY_COMMAND) == set(_handlers)


def test_the_page_matches_the_classes_and_the_handlers():
    assert PAGE.read_text() == page(), f"run {COMMAND}"


@pytest.mark.parametrize("command", _handlers)
def test_every_handler_has_a_sentence_for_the_page(command: str):
    assert all(handler.__doc__ for handler in handlers_of(command))


@each
def test_a_body_that_is_written_and_parsed_again_is_the_same(kind: type[EventBody]):
    body = kind.parse(kind.example())
    assert body.payload() == kind.example()
    assert kind.parse(body.payload()) == body


@each
def test_the_schema_names_every_known_field_and_accepts_the_example(kind: type[EventBody]):
    schema = kind.schema()
    named = schema.get("items", schema)["properties"]
    assert set(named) == kind.names
    assert all(field["description"] for field in named.values())
    assert jsonschema_rs.validator_for(schema).is_valid(kind.example())


def needed_fields() -> list[tuple[type[EventBody], str]]:
    schemas = {kind: kind.schema().get("items", kind.schema()) for kind in BY_COMMAND.values()}
    return [(kind, name) for kind, schema in schemas.items() for name in schema["required"]]


@pytest.mark.parametrize(("kind", "name"), needed_fields(), ids=str)
def test_a_required_field_that_is_missing_is_refused(kind: type[EventBody], name: str):
    example = kind.example()
    row = example[0] if isinstance(example, list) else example
    del row[name]
    with pytest.raises(BadEvent):
        kind.parse(example)


@each
@pytest.mark.parametrize("payload", ["text", 7, True, None, [], {}], ids=repr)
def test_a_body_of_another_form_is_refused_and_has_its_keys_all_the_same(kind: type[EventBody], payload: Any):
    with pytest.raises(BadEvent):
        kind.parse(payload)
    assert ordering_keys_of(kind.command, payload)[0] in ("", "bans")


_CODES = {"group_id": "g", "user_id": "u", "robot_id": "r"}


@pytest.mark.parametrize(
    ("command", "payload", "keys"),
    [
        ("robot_added", {"user_id": "u", "robot_id": "r"}, ("u:u", "")),
        ("robot_kicked", _CODES, ("g:g", "")),
        ("wait_for_bind", _CODES, ("g:g", "u:u")),
        ("bind_group_success", _CODES, ("g:g", "u:u")),
        ("bind_group_success", {"group_id": 7, "user_id": " "}, ("g:7", "")),
        ("group_info", {"id": "g", "group_id": "x"}, ("g:g", "")),
        ("group_members", [1, {"user_id": "u"}, {"group_id": "g"}], ("g:g", "")),
        ("abnormal_robot", _CODES, ("bans", "")),
        ("abnormal_robot_replaced", ["?"], ("bans", "")),
        ("dance", {"robot_id": "r", "user_id": True}, ("r:r", "")),
        ("dance", _CODES, ("g:g", "")),
        ("dance", {}, ("", "")),
    ],
)
def test_events_are_ordered_by_group_then_user_then_robot_and_bans_together(
    command: str, payload: Any, keys: tuple[str, str]
):
    assert ordering_keys_of(command, payload) == keys


def test_a_stated_time_is_shanghais_and_never_later_than_the_receipt():
    body = RobotKicked.parse({"group_id": "g", "robot_id": "r", "kick_time": "2026-11-23 12:00:00"})
    event = Event("e", body, RECEIVED)
    assert event.moment(body.kicked_at) == datetime(2026, 11, 23, 4, tzinfo=UTC)
    assert event.moment(RECEIVED + timedelta(hours=1)) == event.moment(None) == RECEIVED


def test_an_event_is_written_with_the_names_of_the_gateway():
    body = GroupBound(robot_code="r", user_code="u", group_code="g", name="群", bound_at=RECEIVED)
    assert body.payload() == {
        "robot_id": "r",
        "user_id": "u",
        "group_id": "g",
        "name": "群",
        "bind_time": "2026-11-23 18:00:00",
    }


@pytest.mark.django_db
def test_an_event_with_an_invalid_field_is_ignored_with_the_reason_before_any_handler_runs():
    GroupFactory(code="g1")
    gateway_sends(("group_info", {"id": "g1", "name": "新名", "mem_count": "many"}))
    kept = GatewayEvent.objects.get()
    assert (kept.status, kept.note) == (GatewayEvent.Status.IGNORED, "应为人数（mem_count）")


@pytest.fixture
def kept() -> Iterator[type[EventBody]]:
    """Return the class of a command whose two handlers keep the bodies that they get."""

    class Kept(EventBody):
        command = "kept"
        bodies: ClassVar[list[EventBody]] = []

    for _ in range(2):
        subscribe(Kept)(lambda event: event.body.bodies.append(event.body))
    yield Kept
    del BY_COMMAND["kept"], _handlers["kept"]


@pytest.mark.django_db
def test_a_body_is_parsed_once_for_all_its_handlers(kept: type[Any]):
    gateway_sends(("kept", {}))
    first, second = kept.bodies
    assert first is second
