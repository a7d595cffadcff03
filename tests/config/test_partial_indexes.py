"""Statements find their partial indexes, although statuses come into them as parameters."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.platform import db
from feedback.models import ForwardedMessage
from integrations.gateway import claiming
from integrations.models import GatewayEvent
from robots.models import OutboxMessage, Robot
from robots.outbox import leases, writing
from tests.factories.conversations import ConversationFactory
from tests.support.outbox import source_of

pytestmark = pytest.mark.django_db

ROWS = 1_000

STATEMENTS = {
    "waiting events": (lambda: claiming.claim_events(at=timezone.now()), {"event_waiting_by_id"}),
    "the first event of each key": (lambda: claiming._oldest(["g:g1"]), {"event_waiting_"}),
    "waiting messages": (
        lambda: leases.claim_messages(at=timezone.now()),
        {"outbox_sendable_by_id", "outbox_sendable_by_key"},
    ),
    "due jobs, and the first of each key": (
        lambda: list(ForwardedMessage.objects.due(timezone.now()).order_by("next_attempt_at", "pk")[:1]),
        {"forwards_due", "forwards_open"},
    ),
}


@pytest.fixture(autouse=True)
def _waiting_rows() -> None:
    """Fill and analyse the tables: the plan for an empty table depends on when that was analysed last."""
    now = timezone.now()
    GatewayEvent.objects.bulk_create(
        GatewayEvent(
            event_id=f"e{n}", command="x", body={}, ordering_key=f"g:g{n}", received_at=now, next_attempt_at=now
        )
        for n in range(ROWS)
    )
    robot = Robot.objects.create(code="r1", name="小助手")
    OutboxMessage.objects.bulk_create(
        OutboxMessage(
            robot=robot,
            group_code=f"g{n}",
            ordering_key=f"g:g{n}",
            content=writing.text("好"),
            source_type=source_of("test").type,
            source_id=source_of("test").id,
            created_at=now,
            not_before=now,
            next_attempt_at=now,
        )
        for n in range(ROWS)
    )
    sent = {"status": ForwardedMessage.Status.SENT, "finished_at": now}
    ForwardedMessage.objects.bulk_create(
        ForwardedMessage(conversation=conversation, kind="text", written_at=now, next_attempt_at=now, **status)
        for conversation in ConversationFactory.create_batch(20)
        for status in [sent] * (ROWS // 20) + [{}]
    )
    for model in (GatewayEvent, OutboxMessage, ForwardedMessage):
        db.execute(f"ANALYZE {model._meta.db_table}")


@pytest.mark.parametrize(("run", "indexes"), STATEMENTS.values(), ids=STATEMENTS)
def test_a_statement_uses_the_partial_indexes_made_for_it(run: Callable[[], object], indexes: set[str]):
    with CaptureQueriesContext(connection) as queries:
        run()
    statements = [query["sql"].rpartition(";\n")[2] for query in queries if "SAVEPOINT" not in query["sql"]]
    db.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    plan = "\n".join(line for statement in statements for (line,) in db.rows(f"EXPLAIN {statement}"))
    assert {index for index in indexes if index not in plan} == set(), plan
