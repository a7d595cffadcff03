"""Each event of the inbox is handled once, in the order of its key, whatever fails and however many workers run."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from groups.models import Group, GroupMessage
from integrations.gateway import claiming, handling, inbox
from integrations.models import GatewayEvent
from integrations.tasks import handle_events
from tests.factories.people import GroupFactory, OperatorFactory, RobotFactory, UserFactory
from tests.support.entry_points import gateway_sends
from tests.support.gateway_events import event, met, post
from tests.support.group_messages import group_message

pytestmark = pytest.mark.django_db
Status = GatewayEvent.Status


def test_a_user_is_met_before_their_group_is_bound():
    """Two ordering keys: the binding waits for earlier events of its user."""
    RobotFactory(code="r1")
    bound = {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "群"}
    gateway_sends(("robot_added", met("u1")), ("bind_group_success", bound))
    assert Group.objects.get().user.code == "u1"


def test_events_of_one_group_are_handled_in_order():
    RobotFactory(code="r1")
    UserFactory(code="u1")
    body = {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "群"}
    gateway_sends(
        ("bind_group_success", body),
        ("group_info", {"id": "g1", "name": "一"}),
        ("group_info", {"id": "g1", "name": "二"}),
        ("robot_kicked", body),
        ("bind_group_success", body | {"name": "三"}),
    )
    assert list(Group.objects.order_by("bound_at", "cancelled_at").values_list("name", "cancel_reason")) == [
        ("二", 3),
        ("三", None),
    ]


def test_an_event_that_fails_is_tried_again_and_delays_its_group():
    RobotFactory(code="r1")
    UserFactory(code="u1")
    body = {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "x" * 10}
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE groups_group ADD CONSTRAINT broken CHECK (code <> 'g1') NOT VALID")
    gateway_sends(("bind_group_success", body), ("robot_kicked", body), ("robot_added", met("u2")))
    failed, waiting, elsewhere = GatewayEvent.objects.order_by("id")
    assert (failed.status, failed.attempts) == (Status.WAITING, 1)
    assert (waiting.status, waiting.attempts) == (Status.WAITING, 0)
    assert elsewhere.status == Status.HANDLED


def test_after_five_attempts_an_event_fails_for_an_operator():
    RobotFactory(code="r1")
    UserFactory(code="u1")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE groups_group ADD CONSTRAINT broken CHECK (code <> 'g1') NOT VALID")
    gateway_sends(("bind_group_success", {"robot_id": "r1", "group_id": "g1", "user_id": "u1"}))
    for _ in range(4):
        GatewayEvent.objects.update(next_attempt_at=timezone.now())
        handle_events()
    failed = GatewayEvent.objects.get()
    assert (failed.status, failed.attempts) == (Status.FAILED, 5)
    assert "broken" in failed.note


def test_an_operator_has_an_ignored_event_handled_again():
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


def test_the_note_of_a_failure_has_no_row_contents_and_no_phone():
    UserFactory(code="u1", phone="13812345678")
    RobotFactory(code="r1")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE groups_group ADD CONSTRAINT broken CHECK (name = '') NOT VALID")
    gateway_sends(
        ("bind_group_success", {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "13812345678"})
    )
    note = GatewayEvent.objects.get().note
    assert "broken" in note
    assert "13812345678" not in note


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_workers_at_once_handle_each_event_once_and_in_order():
    RobotFactory(code="r1")
    for group in range(6):
        UserFactory(code=f"u{group}")
    events = []
    for turn in range(8):
        for group in range(6):
            body = {"robot_id": "r1", "group_id": f"g{group}", "user_id": f"u{group}", "name": "群"}
            events.append(
                event(
                    f"{turn}-{group}",
                    "bind_group_success" if turn == 0 else "group_info",
                    body | {"id": f"g{group}", "name": str(turn)},
                )
            )
    inbox.store(events, at=timezone.now())

    with ThreadPoolExecutor(6) as threads:
        assert sum(future.result() for future in [threads.submit(worked) for _ in range(6)]) == 48
    assert set(GatewayEvent.objects.values_list("status", flat=True)) == {Status.HANDLED}
    assert sorted(Group.objects.values_list("code", "name")) == [(f"g{group}", "7") for group in range(6)]


def broken_for(group_code: str) -> None:
    """Make the database refuse the messages of this group."""
    group = GroupFactory(code=group_code)
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE groups_groupmessage ADD CONSTRAINT broken CHECK (group_id <> '{group.pk}') NOT VALID"
        )


def test_of_messages_handled_together_the_one_that_fails_delays_its_group_only():
    broken_for("bad")
    GroupFactory(code="good")
    gateway_sends(
        group_message(group="bad"),
        group_message(group="good"),
        group_message(group="bad"),
        group_message(group="good"),
    )
    assert list(GatewayEvent.objects.order_by("id").values_list("status", "attempts")) == [
        (Status.WAITING, 1),
        (Status.HANDLED, 1),
        (Status.WAITING, 0),
        (Status.HANDLED, 1),
    ]
    assert set(GroupMessage.objects.values_list("group__code", flat=True)) == {"good"}


def test_a_message_that_keeps_failing_ends_as_failed_and_the_next_of_its_group_is_handled():
    broken_for("bad")
    gateway_sends(group_message(group="bad"), group_message(group="bad", user_id=""))
    for _ in range(4):
        GatewayEvent.objects.update(next_attempt_at=timezone.now())
        handle_events()
    failed, after = GatewayEvent.objects.order_by("id")
    assert (failed.status, failed.attempts) == (Status.FAILED, 5)
    assert "broken" in failed.note
    assert (after.status, after.note) == (Status.IGNORED, "缺少必填项（user_id）")


def test_of_messages_handled_together_each_ignored_one_has_its_reason():
    GroupFactory(code="g1")
    gateway_sends(group_message(), group_message(group="nowhere"), group_message(group="g2", user_id=["x"]))
    notes = GatewayEvent.objects.order_by("id").values_list("status", "note")
    assert list(notes) == [
        (Status.HANDLED, ""),
        (Status.IGNORED, "群未绑定"),
        (Status.IGNORED, "应为文字（user_id）"),
    ]


def test_messages_of_many_groups_are_handled_in_a_fixed_number_of_queries(django_assert_max_num_queries):
    events = [event(f"e{n}", "group_message", group_message(group=GroupFactory().code)[1]) for n in range(60)]
    inbox.store(events, at=timezone.now())
    with django_assert_max_num_queries(16):
        assert handle_events() == 60


def test_messages_of_one_group_keep_their_order_among_those_of_others():
    GroupFactory(code="g1")
    GroupFactory(code="g2")
    gateway_sends(*(group_message(str(number), group=f"g{number % 2 + 1}") for number in range(10)))
    handled = (
        GatewayEvent.objects.filter(ordering_key="g:g1").order_by("finished_at", "id").values_list("body__content")
    )
    assert [content for (content,) in handled] == ["0", "2", "4", "6", "8"]


def backlog(groups: int, each: int) -> None:
    """Store `each` messages of every group, the groups alternating."""
    messages = [group_message(str(number), group=f"g{number % groups}") for number in range(groups * each)]
    events = [event(f"e{number}", *message) for number, message in enumerate(messages)]
    inbox.store(events, at=timezone.now())


def test_a_few_groups_with_many_messages_take_no_more_queries_than_many_with_few(django_assert_max_num_queries):
    for number in range(2):
        GroupFactory(code=f"g{number}")
    backlog(groups=2, each=100)
    with django_assert_max_num_queries(32):
        assert handle_events() == 200
    kept = GroupMessage.objects.filter(group__code="g1").count()
    assert (kept, set(GatewayEvent.objects.values_list("status", flat=True))) == (100, {Status.HANDLED})


def test_a_group_behind_a_long_backlog_that_waits_for_another_try_is_reached():
    broken_for("bad")
    GroupFactory(code="good")
    events = [
        event(f"e{number}", *group_message(group="bad"))
        for number in range(claiming.FIRST_WINDOW + claiming.WINDOW + 1)
    ]
    inbox.store([*events, event("last", *group_message(group="good")), event("x", "dance")], at=timezone.now())
    handle_events()
    assert GroupMessage.objects.get().group.code == "good"
    assert GatewayEvent.objects.get(event_id="x").status == Status.UNKNOWN
    assert GatewayEvent.objects.filter(status=Status.WAITING, attempts=1).count() == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_events_behind_one_that_another_worker_has_locked_wait():
    GroupFactory(code="g0")
    GroupFactory(code="g1")
    backlog(groups=2, each=3)
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
    commands = [("robot_added", met("u1"))] * (claiming.FIRST_WINDOW + 1) + [("bind_group_success", bound)]
    inbox.store([event(f"e{number}", *command) for number, command in enumerate(commands)], at=timezone.now())
    handle_events()
    assert set(GatewayEvent.objects.values_list("status", flat=True)) == {Status.WAITING}


def test_no_more_threads_of_a_process_handle_events_than_it_has_slots():
    """A flood of events leaves the other threads free."""
    occupied = [handling.handler_threads.acquire(blocking=False) for _ in range(2)]
    try:
        post(event("e1", "dance"))
        assert handle_events() == 0
    finally:
        for _ in occupied:
            handling.handler_threads.release()
    assert handle_events() == 1
