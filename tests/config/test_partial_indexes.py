"""Statements find their partial indexes, although statuses come into them as parameters."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.platform import db
from feedback.models import ForwardedMessage
from integrations.gateway import claiming
from robots.outbox import leases

pytestmark = pytest.mark.django_db

STATEMENTS = {
    "waiting events": (lambda: claiming.claim_events(at=timezone.now()), {"event_waiting_by_id"}),
    "the first event of each key": (lambda: claiming._oldest(["g:g1"]), {"event_waiting_"}),
    "waiting messages": (
        lambda: leases.claim_messages(at=timezone.now()),
        {"outbox_sendable_by_id", "outbox_sendable_by_key"},
    ),
    "due jobs, and the first of each key": (
        lambda: list(ForwardedMessage.objects.due(timezone.now()).order_by("next_attempt_at", "pk")),
        {"forwards_due", "forwards_open"},
    ),
}


@pytest.mark.parametrize(("run", "indexes"), STATEMENTS.values(), ids=STATEMENTS)
def test_a_statement_uses_the_partial_indexes_made_for_it(run: Callable[[], object], indexes: set[str]):
    with CaptureQueriesContext(connection) as queries:
        run()
    [statement] = [query["sql"].rpartition(";\n")[2] for query in queries if "SAVEPOINT" not in query["sql"]]
    db.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    plan = "\n".join(line for (line,) in db.rows(f"EXPLAIN {statement}"))
    assert {index for index in indexes if index not in plan} == set(), plan
