"""Concurrent work on launches and mass messages, with real connections and transactions."""

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
from config.platform.queues import JobStatus
from groups import cancelling, stars
from groups.models import CancelReason, Group, RatingState
from launches import launch_control, launch_results
from launches.models import Delivery, Launch, MassMessage, ResultReport
from launches.tasks import fire_mass_messages, report_results
from robots.models import OutboxMessage
from robots.outbox import failed, writing
from robots.outbox import results as receipts
from robots.outbox.leases import claim_messages
from tests.factories.launches import TEXT, TEXT_ITEM, drafted, launched, reachable, scheduled
from tests.factories.people import GroupFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.concurrency import in_another_thread
from tests.support.entry_points import key_with, send_due_messages
from tests.support.outbox import fail_messages
from tests.support.outside_system import set_fault

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def at_once(work: Callable[[int], Any], times: int, workers: int = 8) -> list[Any]:
    def one(number: int) -> Any:
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(one, range(times)))


def test_the_same_task_ten_times_at_once_is_one_launch():
    codes = [GroupFactory().code for _ in range(20)]
    client = key_with(Scope.LAUNCHES_WRITE)
    body = {"taskId": "t", "groupIds": codes, "content": {"items": [TEXT_ITEM]}}
    answers = at_once(lambda _: client.post("/task/receive", body)["code"], 10, workers=10)
    assert answers == [1200] * 10
    assert (Launch.objects.count(), Delivery.objects.count(), OutboxMessage.objects.count()) == (1, 20, 20)


def test_of_two_contents_under_one_task_one_wins():
    group, client = GroupFactory(), key_with(Scope.LAUNCHES_WRITE)

    def receive(number: int) -> int:
        item = TEXT_ITEM | {"content": f"第 {number} 种"}
        body = {"taskId": "t", "groupIds": [group.code], "content": {"items": [item]}}
        return client.post("/task/receive", body)["code"]

    assert Counter(at_once(receive, 8)) == {1200: 1, 1409: 7}
    assert OutboxMessage.objects.count() == 1


def copy_of(message: OutboxMessage) -> OutboxMessage:
    """Store the message again, behind all other waiting messages."""
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
        return cancelling.cancel_groups(group_ids=chosen, reason=CancelReason.OPERATOR, by="wang", at=now)

    at_once(work, 4, workers=4)
    left = set(OutboxMessage.objects.waiting().filter(operation="send").values_list("group_code", flat=True))
    assert left == {group.code for group in groups[::4]}
    launch = Launch.objects.get()
    assert (launch.planned_count, launch.waiting_count, launch.skipped_count) == (40, 10, 30)


def test_a_mass_message_is_sent_once_by_many_workers(sandbox: Any):
    alice = UserFactory()
    message = scheduled(alice, *(reachable(user=alice) for _ in range(5)))
    with time_machine.travel(message.send_at + timedelta(seconds=1)):
        assert sum(at_once(lambda _: fire_mass_messages(), 8)) == 1
    assert OutboxMessage.objects.of_source(message.source).count() == 5


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
    answers = at_once(lambda number: complete(people[number], drafts[number], [group.code], tomorrow), 2)
    assert sorted(answers) == [1200, 2005]


def test_of_a_recall_and_the_sending_at_once_one_wins(sandbox: Any):
    alice = UserFactory()
    message = scheduled(alice, reachable(user=alice), send_at=timezone.now())
    client = ApiClient(alice)
    path = f"/tasks/{message.pk}"
    answers = at_once(lambda n: fire_mass_messages() if n % 2 else client.delete(path)["code"], 6)
    send_due_messages()
    assert Counter(answers[::2]) == {1200: 1, 1409: 2}
    assert list(message.groups.values_list("status", flat=True)) == [MassMessage.Status.RECALLED]
    assert sandbox.state.messages == {}


def test_operators_and_senders_at_once_lose_and_duplicate_no_message(sandbox: Any, settings: Any):
    settings.ROBOT_MESSAGES_PER_MINUTE = 1000
    groups = [reachable() for _ in range(15)]
    launch = launched(*groups, items=[TEXT_ITEM, TEXT_ITEM])
    now = timezone.now()

    def work(number: int) -> Any:
        if number % 3 == 0:
            return send_due_messages()
        return (
            launch_control.pause_launch(launch=launch, by="wang", at=now)
            if number % 3 == 1
            else launch_control.resume_launch(launch=launch, at=timezone.now())
        )

    at_once(work, 12, workers=4)
    launch_control.resume_launch(launch=launch, at=timezone.now())
    send_due_messages()
    launch.refresh_from_db()
    assert (launch.status, launch.sent_count) == (Launch.Status.FINISHED, 15)
    assert [message["requests"] for message in sandbox.state.messages.values()] == [1] * 30


@pytest.mark.parametrize("locked", [0, 1])
@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
def test_an_operator_who_changes_two_launches_does_not_deadlock_with_a_sender(action: str, locked: int):
    launches = [launched(reachable()), launched(reachable())]
    messages = [launch.deliveries.get().messages().get() for launch in launches]
    messages.append(copy_of(messages[0]))
    if action == "resume":
        OutboxMessage.objects.update(is_held=True)
        Launch.objects.update(status=Launch.Status.PAUSED, paused_at=timezone.now(), paused_by="wang")
    rows, root = OutboxMessage.objects.select_for_update(nowait=True), Operator()
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():  # a sender that records several attempts, in the order of their ids
            rows.get(pk=messages[locked].pk)
            answers = in_another_thread(threads, lambda: root.act("launches/launch", action, *launches, reason="x"))
            rows.get(pk=messages[locked + 1].pk)
        assert " 2 条。" in answers.result()


def test_each_result_is_reported_by_one_of_many_workers(sandbox: Any):
    launched(*(GroupFactory(launch_switch=False) for _ in range(30)))
    assert sum(at_once(lambda _: report_results(), 4)) == 30
    assert len(sandbox.state.launch_results) == 30


def sent_to(group: Group) -> receipts.AttemptResult:
    """Lease the launch's message to the group. Returns its successful attempt."""
    OutboxMessage.objects.exclude(group_code=group.code).update(is_held=True)
    [leased] = claim_messages(at=timezone.now()).messages
    OutboxMessage.objects.update(is_held=False)
    return receipts.AttemptResult(leased)


def while_a_sender_records(attempt: receipts.AttemptResult, work: Callable[[], Any]) -> Any:
    """Return the result of `work`, started while the sender has locked its message and not yet the launch."""
    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic():
            Delivery.objects.select_for_update().get(group_code=attempt.message.group_code)
            sender = in_another_thread(threads, lambda: receipts.finish([attempt], at=timezone.now()))
            worker = in_another_thread(threads, work, waiting=2)
        sender.result()
        return worker.result()


def test_a_large_launch_is_cancelled_while_a_sender_records_a_result():
    alice, robot = UserFactory(), reachable().robot
    many = [GroupFactory.build(user=alice, robot=robot) for _ in range(writing.CHUNK + 1)]
    groups = sorted(Group.objects.bulk_create(many), key=lambda group: group.code.encode())
    launch = launched(*groups)
    attempt = sent_to(groups[-1])
    now = timezone.now()
    assert while_a_sender_records(
        attempt, lambda: launch_control.cancel_launch(launch=launch, by="wang", reason="不要了", at=now)
    )
    launch.refresh_from_db()
    assert (launch.status, launch.finished_at is not None) == (Launch.Status.CANCELLED, True)
    assert (launch.sent_count, launch.skipped_count) == (1, writing.CHUNK)


def test_ratings_cancel_groups_for_two_reasons_while_a_sender_records_a_result():
    alice = UserFactory()
    for _ in range(stars.MOST_LOW_STARS):
        GroupFactory(user=alice, star=1)
    silent, one_too_many = reachable(), reachable(user=alice)
    launch = launched(silent, one_too_many)
    ratings = [stars.Rating(silent.code, 1, RatingState.TIMEOUT), stars.Rating(one_too_many.code, 1, 1)]
    attempt = sent_to(silent)
    assert while_a_sender_records(attempt, lambda: stars.rate(ratings, at=timezone.now())) == 2
    launch.refresh_from_db()
    assert (launch.sent_count, launch.skipped_count) == (1, 1)


def test_a_switch_and_a_launch_received_at_once_leave_nothing_to_send(sandbox: Any):
    alice = UserFactory(code="wx-alice")
    group = reachable(user=alice)
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            body = {"code": group.code, "rcv_task_flag": 0}
            assert ApiClient(alice).put("/launch/switch", body)["code"] == 1200
            received = in_another_thread(threads, lambda: launched(group))
        assert received.result().skipped_count == 1
    assert OutboxMessage.objects.count() == 0


def test_a_launch_system_that_hangs_occupies_one_thread_for_the_time_of_one_call(sandbox: Any, settings: Any):
    settings.LAUNCH_TIMEOUT = 1.0
    launched(*(GroupFactory(launch_switch=False) for _ in range(30)))
    set_fault(sandbox, "launch", "timeout")
    began = time.monotonic()
    assert at_once(lambda _: report_results(), 4, workers=4) == [0] * 4
    assert time.monotonic() - began < 2.5
    assert ResultReport.objects.filter(attempts=1, leased_until=None).count() == launch_results.RESULTS_AT_ONCE


class SlowLaunchSystem:
    """A launch system during whose calls an operator retries the failed message."""

    def __init__(self) -> None:
        self.reported: list[bool] = []

    def report(self, *, sent: bool, **_: Any) -> None:
        if not sent:
            at_once(self._retry, 1)
        self.reported.append(sent)

    def _retry(self, _: int) -> None:
        failed.retry_failed(OutboxMessage.objects.all(), at=timezone.now())
        send_due_messages()


def test_a_result_that_changes_while_it_is_reported_is_reported_again(sandbox: Any):
    launched(reachable())
    fail_messages(sandbox)
    system = SlowLaunchSystem()
    launch_results.report_due_results(system)
    assert system.reported == [False, True]
    assert ResultReport.objects.values_list("is_sent", "status").get() == (True, JobStatus.DONE)


class LaunchSystemThatTakesTooLong:
    """A launch system during whose calls the lease ends and another worker leases the report."""

    def report(self, **_: Any) -> None:
        at_once(lambda _: ResultReport.objects.update(leased_until=timezone.now() + timedelta(minutes=1)), 1)


def test_a_worker_that_lost_its_lease_of_a_report_changes_nothing():
    launched(GroupFactory(launch_switch=False))
    launch_results.report_due_results(LaunchSystemThatTakesTooLong())
    assert ResultReport.objects.values_list("status", "reported_at").get() == (JobStatus.WAITING, None)
