"""Mass messages that an earlier version stored, after the migration."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from launches.models import MassMessage
from launches.tasks import fire_mass_messages
from robots.models import OutboxMessage
from robots.outbox import writing
from tests.factories.launches import PICTURE, reachable, scheduled
from tests.factories.people import UserFactory
from tests.support.entry_points import send_due_messages

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def sent(sandbox: Any) -> Iterator[MassMessage]:
    """Yield a mass message that was sent to a group, in the database of the version before."""
    alice = UserFactory(code="wx-alice")
    message = scheduled(alice, reachable(user=alice), send_at=timezone.now())
    fire_mass_messages()
    send_due_messages()
    call_command("migrate", "launches", "0004", verbosity=0)
    yield message
    call_command("migrate", verbosity=0)


def test_a_picture_that_is_not_sent_yet_gets_its_second_address(sent: MassMessage):
    OutboxMessage.objects.update(status=0, settled_at=None, content={"type": 8, "url": "http://e.com/p.png"})
    call_command("migrate", "launches", verbosity=0)
    assert OutboxMessage.objects.get().content == writing.image("http://e.com/p.png")


def test_a_sent_mass_message_stays_sent_and_its_picture_gets_its_second_address(sent: MassMessage):
    with connection.cursor() as cursor:
        cursor.execute("""UPDATE launches_massmessage SET content = content || '{"content": ""}'""")
        cursor.execute("SELECT message_id FROM launches_massmessagegroup")
        assert cursor.fetchall() == [(OutboxMessage.objects.get().pk,)]
    call_command("migrate", "launches", verbosity=0)
    sent.refresh_from_db()
    assert (sent.contents, sent.status) == ([PICTURE], MassMessage.Status.SENT)
    assert list(sent.groups.values_list("status", "message_count")) == [(MassMessage.Status.SENT, 1)]
