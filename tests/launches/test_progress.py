"""How a launch goes, and what the launch system hears of it."""

from typing import Any

import pytest

from launches.models import Delivery, Launch
from launches.tasks import report_results
from tests.doors import say_everything
from tests.factories.launches import WORDS, launched, reachable
from tests.factories.people import GroupFactory

pytestmark = pytest.mark.django_db
PICTURE = {"type": 2, "filePath": "https://example.com/a.png"}


def results(sandbox: Any) -> dict[str, int]:
    return {told["groupId"]: told["state"] for told in sandbox.state.launch_results}


def test_a_delivery_is_sent_when_all_its_messages_are(sandbox: Any):
    launch = launched(reachable(), items=[WORDS, PICTURE])
    say_everything()
    launch.refresh_from_db()
    assert (launch.sent_count, launch.waiting_count, launch.status) == (1, 0, Launch.Status.FINISHED)
    assert Delivery.objects.get().status == Delivery.Status.SENT


def test_the_launch_system_hears_of_every_group_it_named(sandbox: Any):
    sent, off = reachable(), GroupFactory(launch_switch=False)
    launched(sent, off, GroupFactory.build(code="nobody"))
    say_everything()
    assert report_results() == 3
    assert results(sandbox) == {sent.code: 1, off.code: 2, "nobody": 2}
