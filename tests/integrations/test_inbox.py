"""The gateway's events are stored before the answer, once, and deleted when they are old."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from config.platform.retention import CHUNK
from integrations.gateway import inbox
from integrations.models import GatewayEvent
from integrations.tasks import forget_old_events, handle_events
from tests.factories.people import RobotFactory
from tests.support.admin_pages import Operator
from tests.support.concurrency import in_another_thread
from tests.support.entry_points import gateway_sends, key_with
from tests.support.gateway_events import event, met, post

pytestmark = pytest.mark.django_db
Status = GatewayEvent.Status


def test_an_event_is_stored_when_it_is_answered():
    assert post(event("e1"))["code"] == 1200
    kept = GatewayEvent.objects.get()
    assert (kept.event_id, kept.command, kept.status, kept.body) == ("e1", "robot_added", Status.WAITING, met("u1"))


def test_the_same_event_is_handled_once():
    RobotFactory(code="r1")
    for _ in range(3):
        post(event("e1"))
        handle_events()
    assert GatewayEvent.objects.get().status == Status.HANDLED
    assert User.objects.count() == 1


def test_the_same_event_twice_in_one_batch_is_one():
    assert post([event("e1"), event("e1")])["code"] == 1200
    assert GatewayEvent.objects.count() == 1


def test_a_thousand_events_come_in_one_call():
    assert post([event(f"e{n}") for n in range(1000)])["code"] == 1200
    assert GatewayEvent.objects.count() == 1000


def test_a_thousand_and_one_are_too_many():
    assert post([event(f"e{n}") for n in range(1001)])["code"] == 1403
    assert GatewayEvent.objects.count() == 0


def test_an_invalid_event_of_a_list_does_not_keep_the_valid_ones_out():
    answer = post([event("e1"), {"command": "dance", "body": {}}, event("e3")])
    assert (answer["code"], answer["data"]["stored"]) == (1200, 2)
    assert answer["data"]["refused"] == [{"index": 1, "reason": "缺少必填项（event_id）"}]
    assert set(GatewayEvent.objects.filter(status=Status.WAITING).values_list("event_id", flat=True)) == {
        "e1",
        "e3",
    }


@pytest.mark.parametrize(
    "item", [None, 5, "e", [], True, {}, {"event_id": "x"}, {"event_id": "x", "command": "y"}], ids=repr
)
def test_an_item_that_is_no_event_is_stored_with_the_reason_and_never_handled(item: object):
    answer = post([item, event("e1")])["data"]
    assert (answer["stored"], [item["index"] for item in answer["refused"]]) == (1, [0])
    handle_events()
    kept = GatewayEvent.objects.get(status=Status.REFUSED)
    assert (kept.note, kept.event_id.startswith("refused:")) == (answer["refused"][0]["reason"], True)


def test_operators_see_refused_items_and_cannot_have_them_handled():
    post([{"command": "dance", "body": {"group_id": "g-refused"}}])
    operator, [kept] = Operator(), GatewayEvent.objects.all()
    assert "已拒收" in operator.page("integrations/gatewayevent/", status__exact=5)
    page = operator.page(f"integrations/gatewayevent/{kept.pk}/change/")
    assert "g-refused" in page
    assert "缺少必填项" in page
    operator.act("integrations/gatewayevent", "replay", kept)
    assert GatewayEvent.objects.get().status == Status.REFUSED


@pytest.mark.parametrize(
    "bad",
    [
        '{"command": "x", "body": {"a": 1e999}}',
        '{"event_id": "e2", "command": "x\\u0000 y", "body": [1, -1e999]}',
        "1e999",
        "[[1e400]]",
        '{"event_id": 1e999, "command": "x", "body": {}}',
    ],
)
def test_a_refused_item_with_an_infinite_number_is_stored_and_keeps_no_other_out(bad: str):
    answer = post(f"[{json.dumps(event('e1'))}, {bad}]")
    assert (answer["code"], answer["data"]["stored"]) == (1200, 1)
    assert GatewayEvent.objects.filter(event_id="e1", status=Status.WAITING).exists()


def test_the_same_refused_item_is_stored_once():
    for _ in range(3):
        post([{"command": "dance", "body": {}}, {"command": "dance", "body": {}}])
    assert GatewayEvent.objects.count() == 1


def test_an_event_that_repeats_a_field_is_refused_alone():
    bad = '{"event_id": "e2", "command": "x", "body": [{"group_id": "a", "group_id": "b"}]}'
    raw = f"[{json.dumps(event('e1'))}, {bad}]"
    answer = post(raw)
    assert answer["data"]["refused"] == [{"index": 1, "reason": "请求内容里有重复的字段（group_id）"}]
    assert GatewayEvent.objects.get(status=Status.WAITING).event_id == "e1"
    assert post(bad)["code"] == 1403


def test_an_event_that_came_before_is_not_counted_again():
    assert post([event("e1"), event("e2")])["data"] == {"stored": 2, "refused": [], "warnings": []}
    assert post([event("e2"), event("e3")])["data"] == {"stored": 1, "refused": [], "warnings": []}
    assert post(event("e3"))["data"]["stored"] == 0


def test_one_bad_event_alone_is_1403():
    answer = post({"event_id": "e2", "body": {}})
    assert (answer["code"], answer["data"], answer["description"]) == (1403, None, "缺少必填项（command）")
    assert GatewayEvent.objects.count() == 0


_WRONG = [
    ("robotId", "robot_id"),
    ("usre_id", "user_id"),
    ("nick_name", "nickname"),
    ("add-time", "add_time"),
    ("avatr", "avatar"),
]


@pytest.mark.parametrize(("field", "intended"), _WRONG)
def test_a_field_that_looks_misspelled_is_named_and_the_event_is_stored(field: str, intended: str):
    answer = post([event("e1"), event("e2", body={"robot_id": "r1", "user_id": "u1", field: "x"})])["data"]
    assert answer["warnings"] == [{"index": 1, "field": field, "reason": f"未知字段，是否应为 {intended}"}]
    assert (answer["stored"], answer["refused"]) == (2, [])


def test_a_misspelled_field_is_seen_beside_the_command_and_in_lists():
    members = [{"group_id": "g", "user_id": "u", "nicknaem": "n"}]
    answer = post([event("e1") | {"evnet_id": "x"}, event("e2", "group_members", members)])["data"]
    assert [(item["index"], item["field"]) for item in answer["warnings"]] == [(0, "evnet_id"), (1, "nicknaem")]
    assert post(event("e3") | {"comand": "x"})["data"]["warnings"][0]["field"] == "comand"


@pytest.mark.parametrize("field", ["region", "gender", "msg_source", "union_id", "x" * 500, ""])
def test_any_other_field_is_ignored_without_a_warning(field: str):
    answer = post(event("e1", body=met("u1") | {field: "x"}))["data"]
    assert answer == {"stored": 1, "refused": [], "warnings": []}


def test_a_thousand_unknown_fields_cost_little():
    body = {f"field_number_{number}": 1 for number in range(40_000)}
    began = time.monotonic()
    assert post(event("e1", body=body))["code"] == 1200
    assert time.monotonic() - began < 4


def test_an_unknown_command_is_stored_as_unknown():
    gateway_sends(("dance", {"x": 1}))
    assert GatewayEvent.objects.get().status == Status.UNKNOWN


def test_an_event_that_needs_no_handling_is_ignored_with_the_reason():
    gateway_sends(("robot_added", met("u1", robot="nobody")))
    kept = GatewayEvent.objects.get()
    assert (kept.status, kept.note) == (Status.IGNORED, "机器人未知")


def test_characters_that_postgresql_cannot_store_are_replaced():
    RobotFactory(code="r1")
    gateway_sends(("robot_added", {"robot_id": "r1", "user_id": "u1", "nickname": "a\x00b\ud800"}))
    assert User.objects.get().nickname == "a\ufffdb?"


def test_handled_events_are_deleted_after_30_days():
    RobotFactory(code="r1")
    gateway_sends(("robot_added", met("u1")), ("dance", {}), ("robot_added", met("u2", robot="nobody")))
    GatewayEvent.objects.update(received_at=timezone.now() - timedelta(days=31))
    assert forget_old_events() == 2
    assert GatewayEvent.objects.get().command == "dance"


def test_events_that_operators_may_need_are_deleted_after_90_days_and_waiting_ones_never():
    gateway_sends(("dance", {}))
    post([event("e1"), event("e2")])
    failed = {"status": Status.FAILED, "finished_at": timezone.now()}
    GatewayEvent.objects.filter(event_id="e1").update(**failed)
    GatewayEvent.objects.update(received_at=timezone.now() - timedelta(days=91))
    assert forget_old_events() == 2
    assert GatewayEvent.objects.get().event_id == "e2"


def test_many_old_events_are_deleted_in_chunks(django_assert_num_queries):
    old = timezone.now() - timedelta(days=31)
    done = {
        "command": "dance",
        "body": 1,
        "status": Status.HANDLED,
        "finished_at": old,
        "received_at": old,
        "next_attempt_at": old,
    }
    GatewayEvent.objects.bulk_create(GatewayEvent(event_id=f"e{n}", **done) for n in range(CHUNK + 1))
    with django_assert_num_queries(3):  # a full chunk and the rest of the handled ones, and the unresolved ones
        assert forget_old_events() == CHUNK + 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_same_events_posted_at_once_in_opposite_order_are_stored_once():
    events = [event(event_id) for event_id in ("a", "m", "z")]
    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic():
            inbox.store([event("m")], at=timezone.now())
            posts = [
                in_another_thread(threads, partial(inbox.store, batch, at=timezone.now()), waiting=number)
                for number, batch in enumerate((events, events[::-1]), 1)
            ]
        assert sum(future.result() for future in posts) == 2
    assert sorted(GatewayEvent.objects.values_list("event_id", flat=True)) == ["a", "m", "z"]


def test_storing_a_batch_takes_a_fixed_number_of_queries(django_assert_num_queries):
    client = key_with("gateway:events")
    client.post("/gateway/events", event("e0"))
    with django_assert_num_queries(2):  # key, insert
        client.post("/gateway/events", [event(f"e{n}") for n in range(1, 200)])


NUMBERS = [10**400, -(10**30), 2**63, 1.5, 0]


@pytest.mark.parametrize("number", NUMBERS)
def test_huge_numbers_are_stored_as_text(number):
    assert post(event("e1", "dance", {"x": number}))["code"] == 1200
    kept = GatewayEvent.objects.get().body["x"]
    assert kept == number or kept == str(number)


def test_a_deeply_nested_body_is_stored_down_to_a_depth():
    raw = b'{"event_id": "e1", "command": "dance", "body": ' + b"[" * 400 + b"]" * 400 + b"}"
    client = key_with("gateway:events")
    answer = client.http.post("/gateway/events", raw, content_type="application/json", headers=client.headers)
    assert answer.json()["code"] == 1200
    handle_events()
    assert GatewayEvent.objects.get().status == Status.UNKNOWN


@pytest.mark.parametrize("event_id", ["", " ", "a\x00", "a\ud800", "x" * 129, None, ["x"], {}, True, 7])
def test_an_event_with_an_invalid_event_id_is_refused_and_the_field_named(event_id):
    answer = post([event("e1"), {"event_id": event_id, "command": "dance", "body": {}}])["data"]
    assert (answer["stored"], "event_id" in answer["refused"][0]["reason"]) == (1, True)
    assert post({"event_id": event_id, "command": "dance", "body": {}})["code"] == 1403


def test_an_event_id_is_trimmed():
    assert post([event(" é1 "), event("e2")])["code"] == 1200
    assert sorted(GatewayEvent.objects.values_list("event_id", flat=True)) == ["e2", "é1"]
