"""The rules of every queue: nothing is lost or doubled, whatever is killed, and what fails is tried again, then shown.

Payouts are a state machine with rules of their own (test_killed_payouts.py).
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from config.checks.addresses import outside_names
from tests.support.admin_pages import Operator, address
from tests.support.killable import Killable
from tests.support.queues import QUEUES, QueueUnderTest

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.processes,
    pytest.mark.xdist_group("processes"),
]
MOST_STEPS = 60
ALL = pytest.mark.parametrize("queue", QUEUES, ids=str)
ORDERED = pytest.mark.parametrize("queue", [queue for queue in QUEUES if queue.is_ordered], ids=str)
LIMITED = pytest.mark.parametrize("queue", [queue for queue in QUEUES if queue.last_attempt], ids=str)


@pytest.fixture(scope="module")
def worker(_sandbox_server: Any, django_db_setup: None) -> Iterator[Killable]:
    """Return a process that does the work of all queues, and is killed at a step. It imports the project once."""
    url = f"http://127.0.0.1:{_sandbox_server.server_address[1]}"
    urls = dict.fromkeys(outside_names(), url) | {"RUN_DIR": str(settings.RUN_DIR)}
    killable = Killable(connection.settings_dict["NAME"], tasks="tests.support.queues", **urls)
    yield killable
    killable.close()


def assert_done(queue: QueueUnderTest, sandbox: Any, added: list[str]) -> None:
    """Every job has ended, and has had its effect: once, or where the receiver knows it again at least once."""
    rows, effects = queue.model._base_manager, Counter(queue.effects(sandbox))
    assert not rows.filter(finished_at=None).exists()
    assert not rows.filter(status=queue.failed).exists()
    assert set(effects) <= set(added)
    assert queue.may_be_unknown or set(effects) == set(added)
    assert queue.may_repeat or set(effects.values()) <= {1}


@ALL
class TestEveryQueue:
    def test_a_worker_killed_at_any_step_loses_and_doubles_nothing(
        self, queue: QueueUnderTest, sandbox: Any, worker: Killable
    ):
        added, work = [queue.add("first")], queue.work.__name__
        [(killed, steps)] = worker.run((work, 0))
        assert (killed, steps > 3) == (False, True)
        for step in range(1, min(steps, MOST_STEPS) + 1):
            added.append(queue.add(f"key-{step}"))
            assert worker.run((work, step))[0][0]
        queue.finish()
        assert_done(queue, sandbox, added)

    def test_two_workers_at_once_do_each_job_once(self, queue: QueueUnderTest, sandbox: Any, worker: Killable):
        added, work = [queue.add(f"key-{number}") for number in range(12)], queue.work.__name__
        assert [killed for killed, _ in worker.run((work, 0), (work, 0))] == [False, False]
        queue.finish()
        assert_done(queue, sandbox, added)
        assert Counter(queue.effects(sandbox)) == Counter(added)

    def test_a_failed_attempt_is_followed_by_a_pause_and_its_reason_is_kept(
        self, queue: QueueUnderTest, sandbox: Any, settings: Any
    ):
        queue.add("key")
        with queue.broken(sandbox, settings):
            for _ in range(2):
                queue.work()
        job = queue.model._base_manager.get()
        assert (job.attempts, job.finished_at, job.next_attempt_at > timezone.now()) == (1, None, True)
        assert queue.reason_of(job)


@ORDERED
def test_a_job_waits_for_the_job_before_it(queue: QueueUnderTest, sandbox: Any):
    added = [queue.add("same"), queue.add("same")]
    first = queue.model._base_manager.order_by("pk").first()
    queue.model._base_manager.filter(pk=first.pk).update(next_attempt_at=timezone.now() + timedelta(hours=1))
    queue.work()
    assert queue.effects(sandbox) == []
    queue.finish()
    assert queue.effects(sandbox) == added


@LIMITED
def test_after_its_last_attempt_a_job_fails_until_an_operator_has_it_tried_again(
    queue: QueueUnderTest, sandbox: Any, settings: Any
):
    added = queue.add("key")
    with queue.broken(sandbox, settings):
        for _ in range(int(queue.last_attempt or 0) + 2):
            queue.make_due()
            queue.work()
    failed = queue.model._base_manager.get()
    assert (failed.status, failed.attempts) == (queue.failed, queue.last_attempt)
    Operator().act(address(queue.model), queue.retry, failed)
    queue.finish()
    assert queue.effects(sandbox) == [added]
