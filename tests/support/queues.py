"""The queues of the product, for tests that hold for all of them: how a job is made, done, broken, and seen outside."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from django.db.models import Model
from django.utils import timezone

from config.platform import db
from config.platform.queues import JobStatus
from feedback import forwarding
from feedback.models import Conversation, ForwardedMessage
from feedback.tasks import forward_messages
from groups import cancel_jobs
from groups.models import CancelJob, CancelReason, Group, GroupMessage
from groups.tasks import run_cancel_jobs
from integrations.aliyun import sms_batches
from integrations.gateway import inbox
from integrations.models import GatewayEvent, TextMessage
from integrations.tasks import handle_events, send_texts
from launches import launch_intake, scheduled_sending
from launches.models import ResultReport, ScheduledSending
from launches.tasks import fire_mass_messages, report_results
from robots.models import MessageAttempt, OutboxMessage, Robot, SourceType
from robots.outbox.sender import drain
from tests.factories.conversations import ConversationFactory
from tests.factories.launches import TEXT_ITEM, reachable, scheduled
from tests.factories.people import GroupFactory, UserFactory
from tests.support.group_messages import group_message
from tests.support.outbox import write_message
from tests.support.outside_system import set_fault

# A process that is to be killed finds the work of a queue by this name.
__all__ = ["QUEUES", "drain", "fire_mass_messages", "forward_messages", "handle_events", "report_results"]
__all__ += ["run_cancel_jobs", "send_texts"]
_numbers = count(1)
Break = Callable[
    [Any, Any], AbstractContextManager[None]
]  # (sandbox, settings): nothing of the queue works meanwhile


@dataclass(frozen=True)
class QueueUnderTest:
    """A queue. `add(key)` makes a job, ordered by this key, and returns the name of its effect in `effects(sandbox)`."""

    model: type[Model]
    work: Callable[[], int]
    add: Callable[[str], str]
    effects: Callable[[Any], list[str]]
    broken: Break
    last_attempt: int | None  # None: it is tried without an end, or until a day has passed
    retry: str = "retry"  # the action in the admin
    is_ordered: bool = False
    has_lease: bool = True
    may_repeat: bool = (
        False  # its effect may come twice, when the answer to the first was lost; the receiver knows it
    )
    may_be_unknown: bool = False  # never sent twice, so its outcome is unknown when its worker was killed

    def __str__(self) -> str:
        return self.model.__name__

    @property
    def failed(self) -> int:
        """Return the status of a job that needs an operator."""
        return int(getattr(self.model, "Status", JobStatus).FAILED)

    def reason_of(self, job: Any) -> str:
        """Return why the last attempt failed."""
        if isinstance(job, OutboxMessage):
            return str(MessageAttempt.objects.filter(message=job).latest("pk").answer)
        return str(getattr(job, "note", "") or getattr(job, "last_error", ""))

    def make_due(self) -> None:
        """Have the open jobs be due, as if pauses and leases were over."""
        now, rows = timezone.now(), self.model._base_manager.filter(finished_at=None)
        rows.update(next_attempt_at=now)
        if self.has_lease:
            rows.exclude(leased_until=None).update(leased_until=now - timedelta(minutes=1))

    def finish(self) -> None:
        """Run the workers until nothing is open."""
        for _ in range(10):
            self.make_due()
            self.work()


def _add_text(key: str) -> str:
    phone = f"139{next(_numbers):08}"
    sms_batches.queue(phones=[phone], content="好", at=timezone.now())
    return phone


def _add_forward(key: str) -> str:
    conversation = Conversation.objects.filter(user__nickname=key).first() or ConversationFactory(
        user=UserFactory(nickname=key), closed_at=None
    )
    forwarding.forward(conversation, kind="text", content="在吗", at=timezone.now())
    return str(ForwardedMessage.objects.latest("pk").message_no)


def _add_report(key: str) -> str:
    task = f"task-{next(_numbers)}"  # to an unknown group, whose result is known at once
    launch_intake.receive_launch(
        task_id=task, references=["nobody"], items=[TEXT_ITEM], by="投放系统", at=timezone.now()
    )
    return task


def _add_cancelling(key: str) -> str:
    group = GroupFactory()
    cancel_jobs.request_cancelling(
        references=[group.code], reason=CancelReason.OPERATOR, by="root", at=timezone.now()
    )
    return group.code


def _add_sending(key: str) -> str:
    user = UserFactory()
    return str(scheduled(user, reachable(user=user), send_at=timezone.now()).pk)


def _add_event(key: str) -> str:
    if not Group.objects.filter(code=key).exists():
        GroupFactory(code=key)
    command, body = group_message(group=key)
    inbox.store([{"event_id": body["message_no"], "command": command, "body": body}], at=timezone.now())
    return str(body["message_no"])


def _add_message(key: str) -> str:
    robot, _ = Robot.objects.get_or_create(code="sandbox-robot-1", defaults={"name": "小助手"})
    return str(write_message(robot, "好", group=key).message_no)


def _system_fails(system: str) -> Break:
    @contextmanager
    def broken(sandbox: Any, _: Any) -> Iterator[None]:
        set_fault(sandbox, system)
        yield
        set_fault(sandbox, system, "ok")

    return broken


@contextmanager
def _sms_is_away(_: Any, settings: Any) -> Iterator[None]:
    address, settings.SMS_BASE_URL = settings.SMS_BASE_URL, "http://127.0.0.1:1"
    yield
    settings.SMS_BASE_URL = address


def _table_refuses(table: str, rows: str) -> Break:
    """Have PostgreSQL refuse these rows of the table."""

    @contextmanager
    def broken(*_: Any) -> Iterator[None]:
        db.execute(f"ALTER TABLE {table} ADD CONSTRAINT broken CHECK (NOT ({rows})) NOT VALID")
        try:
            yield
        finally:
            db.execute(f"ALTER TABLE {table} DROP CONSTRAINT broken")

    return broken


def _of_source(source_type: SourceType) -> list[str]:
    return list(OutboxMessage.objects.filter(source_type=source_type).values_list("source_id", flat=True))


QUEUES = [
    QueueUnderTest(
        TextMessage,
        send_texts,
        _add_text,
        effects=lambda sandbox: [sms["phone"] for sms in sandbox.state.sms],
        broken=_sms_is_away,
        last_attempt=sms_batches.MAX_ATTEMPTS,
        may_be_unknown=True,
    ),
    QueueUnderTest(
        ForwardedMessage,
        forward_messages,
        _add_forward,
        effects=lambda sandbox: [message["body"]["messageNo"] for message in sandbox.state.forwarded],
        broken=_system_fails("aliyun"),
        last_attempt=None,
        is_ordered=True,
        may_repeat=True,
    ),
    QueueUnderTest(
        ResultReport,
        report_results,
        _add_report,
        effects=lambda sandbox: [result["launchId"] for result in sandbox.state.launch_results],
        broken=_system_fails("launch"),
        last_attempt=None,
        may_repeat=True,
    ),
    QueueUnderTest(
        CancelJob,
        run_cancel_jobs,
        _add_cancelling,
        effects=lambda _: list(
            OutboxMessage.objects.filter(operation=OutboxMessage.Operation.UNBIND_GROUP).values_list(
                "group_code", flat=True
            )
        ),
        broken=_table_refuses("groups_group", "cancelled_at IS NOT NULL"),
        last_attempt=cancel_jobs.BACKOFF.max_attempts,
    ),
    QueueUnderTest(
        ScheduledSending,
        fire_mass_messages,
        _add_sending,
        effects=lambda _: _of_source(SourceType.MASS_MESSAGE),
        broken=_table_refuses("robots_outboxmessage", "source_type = 'mass_message'"),
        last_attempt=scheduled_sending.BACKOFF.max_attempts,
    ),
    QueueUnderTest(
        GatewayEvent,
        handle_events,
        _add_event,
        effects=lambda _: list(GroupMessage.objects.order_by("pk").values_list("message_no", flat=True)),
        broken=_table_refuses("groups_groupmessage", "true"),
        last_attempt=5,
        retry="replay",
        is_ordered=True,
        has_lease=False,
    ),
    QueueUnderTest(
        OutboxMessage,
        drain,
        _add_message,
        effects=lambda sandbox: list(sandbox.state.messages),
        broken=_system_fails("gateway"),
        last_attempt=5,
        is_ordered=True,
    ),
]
