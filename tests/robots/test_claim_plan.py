"""A claim reads as much as its batch needs, also when PostgreSQL has recorded that its indexes are empty."""

import pytest
from django.utils import timezone

from config.platform import db
from robots.outbox.leases import BATCH, WINDOW, claim_messages
from tests.support.generated_rows import fill, insert_robots
from tests.support.reads import noted_reads

SENT = 4_000
PAGES_FOR_A_MESSAGE = (
    24  # the message, its robot and the first of its key are looked up; the message is locked and updated
)
# What VACUUM records of a table of a million sent messages, in which nothing waits.
_AFTER_VACUUM = """
UPDATE pg_class SET reltuples = 1000000 WHERE relname = 'robots_outboxmessage';
UPDATE pg_class SET reltuples = 0, relpages = 68
WHERE relname IN (SELECT indexname FROM pg_indexes WHERE tablename = 'robots_outboxmessage' AND indexdef LIKE '% WHERE %')
"""


@pytest.mark.django_db
def test_a_claim_stops_when_its_batch_is_full():
    insert_robots()
    fill("robots_outboxmessage", 1, SENT)
    db.execute("ANALYZE robots_outboxmessage, robots_robot")
    fill("robots_outboxmessage", SENT + 1, SENT + WINDOW, status="0", finished_at="NULL", last_error="''")
    db.execute(_AFTER_VACUUM)
    with noted_reads() as reads:
        claimed = claim_messages(at=timezone.now())
    assert len(claimed.messages) == BATCH
    assert [read.buffers for read in reads if read.buffers > PAGES_FOR_A_MESSAGE * BATCH] == []
