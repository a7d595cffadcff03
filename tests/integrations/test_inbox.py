"""What the gateway tells is stored before it is answered, and handled once, in order."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from groups.models import Group, GroupMessage
from integrations import claiming, handling, inbox
from integrations.models import GatewayEvent
from integrations.tasks import forget_old_events, handle_events
from tests.doors import gateway_tells, key_with
from tests.factories.people import GroupFactory, OperatorFactory, RobotFactory, UserFactory
from tests.talk import said
from tests.together import in_another_thread

pytestmark = pytest.mark.django_db
Status = GatewayEvent.Status


def met(user: str, robot: str = "r1") -> dict:
    return {"robot_id": robot, "user_id": user, "nickname": user}


def post(events: object) -> dict:
    return key_with("gateway:events").post("/gateway/events", events)


def event(event_id: str, command: str = "robot_added", body: object = None) -> dict:
    return {"event_id": event_id, "command": command, "body": body or met("u1")}


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


def test_one_bad_event_refuses_the_batch():
    told = post([event("e1"), {"event_id": "e2", "body": {}}])
    assert told["code"] == 1403
    assert "1.command" in told["description"]
    assert GatewayEvent.objects.count() == 0


def test_an_unknown_command_is_kept_and_marked():
    gateway_tells(("dance", {"x": 1}))
    assert GatewayEvent.objects.get().status == Status.UNKNOWN


def test_what_needs_nothing_is_ignored_with_the_reason():
    gateway_tells(("robot_added", met("u1", robot="nobody")))
    kept = GatewayEvent.objects.get()
    assert (kept.status, kept.note) == (Status.IGNORED, "机器人未知")


def test_characters_that_postgresql_cannot_keep_do_not_break_it():
    RobotFactory(code="r1")
    gateway_tells(("robot_added", {"robot_id": "r1", "user_id": "u1", "nickname": "a\x00b\ud800"}))
    assert User.objects.get().nickname == "a\ufffdb?"


def test_a_user_is_met_before_their_group_is_bound():
    """Two lanes: the binding waits for what came before about its user."""
    RobotFactory(code="r1")
    bound = {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "群"}
    gateway_tells(("robot_added", met("u1")), ("bind_group_success", bound))
    assert Group.objects.get().user.code == "u1"


def test_events_of_one_group_are_handled_in_order():
    RobotFactory(code="r1")
    UserFactory(code="u1")
    words = {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "群"}
    gateway_tells(
        ("bind_group_success", words),
        ("group_info", {"id": "g1", "name": "一"}),
        ("group_info", {"id": "g1", "name": "二"}),
        ("robot_kicked", words),
        ("bind_group_success", words | {"name": "三"}),
    )
    assert list(Group.objects.order_by("bound_at", "cancelled_at").values_list("name", "cancel_reason")) == [
        ("二", 3),
        ("三", None),
    ]


def test_an_event_that_fails_is_tried_again_and_holds_its_group_back():
    RobotFactory(code="r1")
    UserFactory(code="u1")
    words = {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "x" * 10}
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE groups_group ADD CONSTRAINT broken CHECK (code <> 'g1') NOT VALID")
    gateway_tells(("bind_group_success", words), ("robot_kicked", words), ("robot_added", met("u2")))
    failed, waiting, elsewhere = GatewayEvent.objects.order_by("id")
    assert (failed.status, failed.try_count) == (Status.WAITING, 1)
    assert (waiting.status, waiting.try_count) == (Status.WAITING, 0)
    assert elsewhere.status == Status.HANDLED


def test_after_five_tries_it_is_parked_for_an_operator():
    RobotFactory(code="r1")
    UserFactory(code="u1")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE groups_group ADD CONSTRAINT broken CHECK (code <> 'g1') NOT VALID")
    gateway_tells(("bind_group_success", {"robot_id": "r1", "group_id": "g1", "user_id": "u1"}))
    for _ in range(4):
        GatewayEvent.objects.update(retry_at=timezone.now())
        handle_events()
    parked = GatewayEvent.objects.get()
    assert (parked.status, parked.try_count) == (Status.PARKED, 5)
    assert "broken" in parked.note


def test_an_operator_has_a_parked_event_handled_again():
    post(event("e1"))
    handle_events()
    kept = GatewayEvent.objects.get()
    assert kept.status == Status.IGNORED
    RobotFactory(code="r1")
    client = Client()
    client.force_login(OperatorFactory())
    body = {"action": "replay", "_selected_action": [str(kept.pk)], "confirmed": "yes"}
    assert "将重新处理 1 条" in client.post("/admin/integrations/gatewayevent/", body, follow=True).text
    handle_events()
    kept.refresh_from_db()
    assert kept.status == Status.HANDLED


def test_handled_events_are_forgotten_after_30_days():
    RobotFactory(code="r1")
    gateway_tells(("robot_added", met("u1")), ("dance", {}), ("robot_added", met("u2", robot="nobody")))
    GatewayEvent.objects.update(received_at=timezone.now() - timedelta(days=31))
    assert forget_old_events() == 2
    assert GatewayEvent.objects.get().command == "dance"


def test_events_that_operators_may_need_are_forgotten_after_90_days_and_waiting_ones_never():
    gateway_tells(("dance", {}))
    post([event("e1"), event("e2")])
    parked = {"status": Status.PARKED, "settled_at": timezone.now()}
    GatewayEvent.objects.filter(event_id="e1").update(**parked)
    GatewayEvent.objects.update(received_at=timezone.now() - timedelta(days=91))
    assert forget_old_events() == 2
    assert GatewayEvent.objects.get().event_id == "e2"


def test_many_old_events_are_forgotten_chunk_by_chunk(django_assert_num_queries):
    old = timezone.now() - timedelta(days=31)
    done = {
        "command": "dance",
        "body": 1,
        "status": Status.HANDLED,
        "settled_at": old,
        "received_at": old,
        "retry_at": old,
    }
    GatewayEvent.objects.bulk_create(GatewayEvent(event_id=f"e{n}", **done) for n in range(inbox.CHUNK + 1))
    with django_assert_num_queries(3):  # a full chunk, the rest, and nothing that nobody handled
        assert forget_old_events() == inbox.CHUNK + 1


def test_the_note_of_a_failure_has_no_row_contents_and_no_phone():
    UserFactory(code="u1", phone="13812345678")
    RobotFactory(code="r1")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE groups_group ADD CONSTRAINT broken CHECK (name = '') NOT VALID")
    gateway_tells(
        ("bind_group_success", {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "13812345678"})
    )
    note = GatewayEvent.objects.get().note
    assert "broken" in note
    assert "13812345678" not in note


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_same_events_posted_at_once_in_opposite_order_are_stored_once():
    events = [event(event_id) for event_id in ("a", "m", "z")]
    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic():
            inbox.store([event("m")], at=timezone.now())
            posts = [
                in_another_thread(threads, partial(inbox.store, told, at=timezone.now()), waiting=number)
                for number, told in enumerate((events, events[::-1]), 1)
            ]
        assert sum(future.result() for future in posts) == 2
    assert sorted(GatewayEvent.objects.values_list("event_id", flat=True)) == ["a", "m", "z"]


def test_storing_a_batch_takes_a_fixed_number_of_queries(django_assert_num_queries):
    client = key_with("gateway:events")
    client.post("/gateway/events", event("e0"))
    with django_assert_num_queries(4):  # key, savepoint, insert, release
        client.post("/gateway/events", [event(f"e{n}") for n in range(1, 200)])


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_workers_at_once_handle_each_event_once_and_in_order():
    RobotFactory(code="r1")
    for group in range(6):
        UserFactory(code=f"u{group}")
    events = []
    for turn in range(8):
        for group in range(6):
            words = {"robot_id": "r1", "group_id": f"g{group}", "user_id": f"u{group}", "name": "群"}
            events.append(
                event(
                    f"{turn}-{group}",
                    "bind_group_success" if turn == 0 else "group_info",
                    words | {"id": f"g{group}", "name": str(turn)},
                )
            )
    inbox.store(events, at=timezone.now())

    with ThreadPoolExecutor(6) as threads:
        assert sum(future.result() for future in [threads.submit(worked) for _ in range(6)]) == 48
    assert set(GatewayEvent.objects.values_list("status", flat=True)) == {Status.HANDLED}
    assert sorted(Group.objects.values_list("code", "name")) == [(f"g{group}", "7") for group in range(6)]


def broken_for(group_code: str) -> None:
    """Messages of this group cannot be kept."""
    group = GroupFactory(code=group_code)
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE groups_groupmessage ADD CONSTRAINT broken CHECK (group_id <> '{group.pk}') NOT VALID"
        )


def test_of_messages_handled_together_the_one_that_fails_holds_back_its_group_only():
    broken_for("bad")
    GroupFactory(code="good")
    gateway_tells(said(group="bad"), said(group="good"), said(group="bad"), said(group="good"))
    assert list(GatewayEvent.objects.order_by("id").values_list("status", "try_count")) == [
        (Status.WAITING, 1),
        (Status.HANDLED, 1),
        (Status.WAITING, 0),
        (Status.HANDLED, 1),
    ]
    assert set(GroupMessage.objects.values_list("group__code", flat=True)) == {"good"}


def test_a_message_that_keeps_failing_is_parked_and_the_next_of_its_group_goes_on():
    broken_for("bad")
    gateway_tells(said(group="bad"), said(group="bad", user_id=""))
    for _ in range(4):
        GatewayEvent.objects.update(retry_at=timezone.now())
        handle_events()
    parked, after = GatewayEvent.objects.order_by("id")
    assert (parked.status, parked.try_count) == (Status.PARKED, 5)
    assert "broken" in parked.note
    assert (after.status, after.note) == (Status.IGNORED, "user_id: 缺少")


def test_of_messages_handled_together_each_that_needs_nothing_says_why():
    GroupFactory(code="g1")
    gateway_tells(said(), said(group="nowhere"), said(group="g2", user_id=["x"]))
    notes = GatewayEvent.objects.order_by("id").values_list("status", "note")
    assert list(notes) == [
        (Status.HANDLED, ""),
        (Status.IGNORED, "群未绑定"),
        (Status.IGNORED, "user_id: 应为字符串"),
    ]


def test_messages_of_many_groups_are_handled_in_a_fixed_number_of_queries(django_assert_max_num_queries):
    events = [event(f"e{n}", "group_message", said(group=GroupFactory().code)[1]) for n in range(60)]
    inbox.store(events, at=timezone.now())
    with django_assert_max_num_queries(16):
        assert handle_events() == 60


def test_messages_of_one_group_keep_their_order_among_those_of_others():
    GroupFactory(code="g1")
    GroupFactory(code="g2")
    gateway_tells(*(said(str(number), group=f"g{number % 2 + 1}") for number in range(10)))
    handled = GatewayEvent.objects.filter(lane="g:g1").order_by("settled_at", "id").values_list("body__content")
    assert [words for (words,) in handled] == ["0", "2", "4", "6", "8"]


def backlog(lanes: int, each: int) -> None:
    """So many messages of so many groups, the groups in turn."""
    told = [said(str(number), group=f"g{number % lanes}") for number in range(lanes * each)]
    events = [event(f"e{number}", *one) for number, one in enumerate(told)]
    inbox.store(events, at=timezone.now())


def test_a_few_groups_with_many_messages_take_no_more_queries_than_many_with_few(django_assert_max_num_queries):
    for number in range(2):
        GroupFactory(code=f"g{number}")
    backlog(lanes=2, each=100)
    with django_assert_max_num_queries(32):
        assert handle_events() == 200
    kept = GroupMessage.objects.filter(group__code="g1").count()
    assert (kept, set(GatewayEvent.objects.values_list("status", flat=True))) == (100, {Status.HANDLED})


def test_a_group_behind_a_long_backlog_that_waits_for_another_try_is_reached():
    broken_for("bad")
    GroupFactory(code="good")
    events = [event(f"e{number}", *said(group="bad")) for number in range(claiming.FRONT + claiming.SPAN + 1)]
    inbox.store([*events, event("last", *said(group="good")), event("x", "dance")], at=timezone.now())
    handle_events()
    assert GroupMessage.objects.get().group.code == "good"
    assert GatewayEvent.objects.get(event_id="x").status == Status.UNKNOWN
    assert GatewayEvent.objects.filter(status=Status.WAITING, try_count=1).count() == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_follows_in_a_lane_that_another_worker_has_in_hand_waits():
    GroupFactory(code="g0")
    GroupFactory(code="g1")
    backlog(lanes=2, each=3)
    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        GatewayEvent.objects.select_for_update().get(event_id="e2")  # the second of g0
        assert threads.submit(worked).result() == 4
    assert list(GatewayEvent.objects.filter(status=Status.WAITING).values_list("event_id", flat=True)) == [
        "e4",
        "e2",
    ]
    assert handle_events() == 2


def worked() -> int:
    try:
        return handle_events()
    finally:
        connection.close()


def test_a_user_is_met_before_their_group_is_bound_also_far_back_in_the_backlog():
    RobotFactory(code="r1")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_user ADD CONSTRAINT broken CHECK (code <> 'u1') NOT VALID")
    bound = {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "群"}
    told = [("robot_added", met("u1"))] * (claiming.FRONT + 1) + [("bind_group_success", bound)]
    inbox.store([event(f"e{number}", *one) for number, one in enumerate(told)], at=timezone.now())
    handle_events()
    assert set(GatewayEvent.objects.values_list("status", flat=True)) == {Status.WAITING}


NUMBERS = [10**400, -(10**30), 2**63, 1.5, 0]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_beyond_reason_are_kept_as_text(number):
    assert post(event("e1", "dance", {"x": number}))["code"] == 1200
    kept = GatewayEvent.objects.get().body["x"]
    assert kept == number or kept == str(number)


def test_a_bottomless_body_is_kept_down_to_a_depth():
    raw = b'{"event_id": "e1", "command": "dance", "body": ' + b"[" * 400 + b"]" * 400 + b"}"
    client = key_with("gateway:events")
    answer = client.http.post("/gateway/events", raw, content_type="application/json", headers=client.headers)
    assert answer.json()["code"] == 1200
    handle_events()
    assert GatewayEvent.objects.get().status == Status.UNKNOWN


@pytest.mark.parametrize("event_id", ["", " ", "a\x00", "a\ud800", "x" * 129, None, ["x"], {}, True, 7])
def test_a_bad_event_id_refuses_the_batch_and_is_named(event_id):
    told = post([event("e1"), {"event_id": event_id, "command": "dance", "body": {}}])
    assert (told["code"], GatewayEvent.objects.count()) == (1403, 0)
    assert "1.event_id" in told["description"]


def test_an_event_id_is_trimmed():
    assert post([event(" é1 "), event("e2")])["code"] == 1200
    assert sorted(GatewayEvent.objects.values_list("event_id", flat=True)) == ["e2", "é1"]


def test_no_more_threads_of_a_process_handle_events_than_it_hasplaces():
    """A flood of wake-ups leaves the other threads free."""
    places = [handling.places.acquire(blocking=False) for _ in range(2)]
    try:
        post(event("e1", "dance"))
        assert handle_events() == 0
    finally:
        for _ in places:
            handling.places.release()
    assert handle_events() == 1
