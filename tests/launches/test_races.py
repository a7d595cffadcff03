"""Several at once: real connections, real transactions."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from config.models import Scope
from groups import cancelling, stars
from groups.models import CancelReason, Group, RatingState
from launches import results, running
from launches.models import Delivery, Launch, MassMessage
from launches.tasks import fire_mass_messages, report_results
from robots.models import OutboxMessage
from robots.outbox import failed, writing
from robots.outbox import results as receipts
from robots.outbox.leases import claim
from tests.factories.launches import TEXT, WORDS, drafted, launched, reachable, scheduled
from tests.factories.people import GroupFactory, UserFactory
from tests.launches.test_progress import give_up
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.concurrency import in_another_thread
from tests.support.entry_points import key_with, send_due_messages

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def at_once(work: Callable[[int], Any], times: int, hands: int = 8) -> list[Any]:
    def one(number: int) -> Any:
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(hands) as threads:
        return list(threads.map(one, range(times)))


def test_the_same_task_ten_times_at_once_is_one_launch():
    codes = [GroupFactory().code for _ in range(20)]
    client = key_with(Scope.LAUNCHES_WRITE)
    body = {"taskId": "t", "groupIds": codes, "content": {"items": [WORDS]}}
    told = at_once(lambda _: client.post("/task/receive", body)["code"], 10, hands=10)
    assert told == [1200] * 10
    assert (Launch.objects.count(), Delivery.objects.count(), OutboxMessage.objects.count()) == (1, 20, 20)


def test_of_two_contents_under_one_task_one_wins():
    group, client = GroupFactory(), key_with(Scope.LAUNCHES_WRITE)

    def hand_over(number: int) -> int:
        item = WORDS | {"content": f"第 {number} 种"}
        body = {"taskId": "t", "groupIds": [group.code], "content": {"items": [item]}}
        return client.post("/task/receive", body)["code"]

    assert Counter(at_once(hand_over, 8)) == {1200: 1, 1409: 7}
    assert OutboxMessage.objects.count() == 1


def said_once_more(message: OutboxMessage) -> OutboxMessage:
    """The same again, after everything else that waits."""
    message = OutboxMessage.objects.get(pk=message.pk)
    message.pk, message.message_no = None, uuid4()
    message.save(force_insert=True)
    return message


def test_groups_cancelled_while_a_launch_is_received_get_nothing():
    groups = [GroupFactory() for _ in range(40)]
    ids = [group.pk for group in groups]
    now = timezone.now()

    def work(number: int) -> Any:
        if number == 0:
            return launched(*groups)
        chosen = ids[number::4]
        return cancelling.cancel(group_ids=chosen, reason=CancelReason.OPERATOR, by="wang", at=now)

    at_once(work, 4, hands=4)
    left = set(OutboxMessage.objects.waiting().filter(operation="send").values_list("group_code", flat=True))
    assert left == {group.code for group in groups[::4]}
    launch = Launch.objects.get()
    assert (launch.planned_count, launch.waiting_count, launch.skipped_count) == (40, 10, 30)


def test_a_mass_message_is_fired_once_by_many_workers(sandbox: Any):
    alice = UserFactory()
    message = scheduled(alice, *(reachable(user=alice) for _ in range(5)))
    with time_machine.travel(message.send_at + timedelta(seconds=1)):
        assert sum(at_once(lambda _: fire_mass_messages(), 8)) == 1
    assert OutboxMessage.objects.filter(cause=message.cause).count() == 5


def complete(user: Any, draft: Any, references: list[str], send_at: datetime) -> int:
    body = {
        "message": TEXT,
        "group_ids": references,
        "send_date": f"{timezone.localtime(send_at):%Y-%m-%d %H:%M:%S}",
    }
    return ApiClient(user).put(f"/tasks/{draft.pk}", body)["code"]


def test_no_more_than_two_a_day_however_many_at_once():
    alice = UserFactory()
    group = GroupFactory(user=alice)
    tomorrow = (timezone.localtime() + timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)
    drafts = [drafted(alice) for _ in range(8)]

    def work(number: int) -> int:
        return complete(alice, drafts[number], [group.code], tomorrow + timedelta(minutes=number))

    assert Counter(at_once(work, 8)) == {1200: 2, 2004: 6}
    assert MassMessage.objects.count() == 2


def test_no_more_than_one_a_minute_in_a_group_however_many_at_once():
    group = GroupFactory(wechat_owner_code="wx-owner")
    people = [group.user, UserFactory(code="wx-owner")]
    tomorrow = timezone.now() + timedelta(days=1)
    drafts = [drafted(user) for user in people]
    told = at_once(lambda number: complete(people[number], drafts[number], [group.code], tomorrow), 2)
    assert sorted(told) == [1200, 2005]


def test_taking_back_races_firing_and_one_of_them_wins(sandbox: Any):
    alice = UserFactory()
    message = scheduled(alice, reachable(user=alice), send_at=timezone.now())
    client = ApiClient(alice)
    path = f"/tasks/{message.pk}"
    told = at_once(lambda n: fire_mass_messages() if n % 2 else client.delete(path)["code"], 6)
    send_due_messages()
    assert Counter(told[::2]) == {1200: 1, 1409: 2}
    assert list(message.groups.values_list("status", flat=True)) == [MassMessage.Status.RECALLED]
    assert sandbox.state.messages == {}


def test_operators_and_senders_at_once_lose_and_double_nothing(sandbox: Any, settings: Any):
    settings.ROBOT_MESSAGES_PER_MINUTE = 1000
    groups = [reachable() for _ in range(15)]
    launch = launched(*groups, items=[WORDS, WORDS])
    now = timezone.now()

    def work(number: int) -> Any:
        if number % 3 == 0:
            return send_due_messages()
        return (
            running.pause(launch=launch, by="wang", at=now)
            if number % 3 == 1
            else running.resume(launch=launch, at=timezone.now())
        )

    at_once(work, 12, hands=4)
    running.resume(launch=launch, at=timezone.now())
    send_due_messages()
    launch.refresh_from_db()
    assert (launch.status, launch.sent_count) == (Launch.Status.FINISHED, 15)
    assert [message["requests"] for message in sandbox.state.messages.values()] == [1] * 30


@pytest.mark.parametrize("held", [0, 1])
@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
def test_whoever_moves_two_launches_waits_for_a_sender_without_standing_in_its_way(action: str, held: int):
    launches = [launched(reachable()), launched(reachable())]
    messages = [launch.deliveries.get().messages().get() for launch in launches]
    messages.append(said_once_more(messages[0]))
    if action == "resume":
        OutboxMessage.objects.update(is_held=True)
        Launch.objects.update(status=Launch.Status.PAUSED, paused_at=timezone.now(), paused_by="wang")
    rows, root = OutboxMessage.objects.select_for_update(nowait=True), Operator()
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():  # a sender that writes down what came of several, in the order of their ids
            rows.get(pk=messages[held].pk)
            told = in_another_thread(threads, lambda: root.act("launches/launch", action, *launches, reason="x"))
            rows.get(pk=messages[held + 1].pk)
        assert " 2 条。" in told.result()


def test_each_result_is_reported_by_one_of_many_workers(sandbox: Any):
    launched(*(GroupFactory(launch_switch=False) for _ in range(30)))
    assert sum(at_once(lambda _: report_results(), 4)) == 30
    assert len(sandbox.state.launch_results) == 30


def said_in(group: Group) -> receipts.Attempt:
    """The gateway has just said the launch's message there."""
    OutboxMessage.objects.exclude(group_code=group.code).update(is_held=True)
    [taken] = claim(at=timezone.now()).messages
    OutboxMessage.objects.update(is_held=False)
    return receipts.Attempt(taken)


def while_a_sender_notes(attempt: receipts.Attempt, work: Callable[[], Any]) -> Any:
    """What `work` answers that began when the sender had locked its message, and not yet the launch."""
    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic():
            Delivery.objects.select_for_update().get(group_code=attempt.message.group_code)
            sender = in_another_thread(threads, lambda: receipts.settle([attempt], at=timezone.now()))
            worker = in_another_thread(threads, work, waiting=2)
        sender.result()
        return worker.result()


def test_a_large_launch_is_cancelled_while_a_sender_notes_what_it_said():
    alice, robot = UserFactory(), reachable().robot
    many = [GroupFactory.build(user=alice, robot=robot) for _ in range(writing.CHUNK + 1)]
    groups = sorted(Group.objects.bulk_create(many), key=lambda group: group.code.encode())
    launch = launched(*groups)
    said = said_in(groups[-1])
    now = timezone.now()
    assert while_a_sender_notes(said, lambda: running.cancel(launch=launch, by="wang", reason="不要了", at=now))
    launch.refresh_from_db()
    assert (launch.status, launch.finished_at is not None) == (Launch.Status.CANCELLED, True)
    assert (launch.sent_count, launch.skipped_count) == (1, writing.CHUNK)


def test_stars_end_groups_for_two_reasons_while_a_sender_notes_what_it_said():
    alice = UserFactory()
    for _ in range(stars.MOST_LOW_STARS):
        GroupFactory(user=alice, star=1)
    silent, one_too_many = reachable(), reachable(user=alice)
    launch = launched(silent, one_too_many)
    ratings = [stars.Rating(silent.code, 1, RatingState.TIMEOUT), stars.Rating(one_too_many.code, 1, 1)]
    said = said_in(silent)
    assert while_a_sender_notes(said, lambda: stars.rate(ratings, at=timezone.now())) == 2
    launch.refresh_from_db()
    assert (launch.sent_count, launch.skipped_count) == (1, 1)


def test_a_switch_and_a_launch_that_is_being_received_leave_nothing_to_send(sandbox: Any):
    alice = UserFactory(code="wx-alice")
    group = reachable(user=alice)
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            body = {"code": group.code, "rcv_task_flag": 0}
            assert ApiClient(alice).put("/launch/switch", body)["code"] == 1200
            received = in_another_thread(threads, lambda: launched(group))
        assert received.result().skipped_count == 1
    assert OutboxMessage.objects.count() == 0


def test_a_launch_system_that_hangs_keeps_one_thread_for_one_calls_time(sandbox: Any, settings: Any):
    settings.LAUNCH_TIMEOUT = 1.0
    launched(*(GroupFactory(launch_switch=False) for _ in range(30)))
    sandbox.state.note("fault", system="launch", mode="timeout", rate=1.0)
    began = time.monotonic()
    assert at_once(lambda _: report_results(), 4, hands=4) == [0] * 4
    assert time.monotonic() - began < 2.5
    assert Delivery.objects.filter(result_try_count=1).count() == results.RESULTS_AT_ONCE


class SlowLaunchSystem:
    """While it is told that a delivery failed, an operator has that sent after all."""

    def __init__(self) -> None:
        self.told: list[bool] = []

    def report(self, *, sent: bool, **_: Any) -> None:
        if not sent:
            at_once(self._send_after_all, 1)
        self.told.append(sent)

    def _send_after_all(self, _: int) -> None:
        failed.retry(OutboxMessage.objects.all(), at=timezone.now())
        send_due_messages()


def test_a_delivery_that_ends_anew_while_it_is_told_of_is_told_anew_afterwards(sandbox: Any):
    launched(reachable())
    give_up(sandbox)
    system = SlowLaunchSystem()
    results.report_due(system)
    assert system.told == [False, True]
    assert Delivery.objects.values_list("result_sent", "result_due_at").get() == (True, None)
