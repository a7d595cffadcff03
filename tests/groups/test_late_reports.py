"""What the gateway reports late, or in another order than it happened, undoes nothing newer."""

from datetime import datetime
from uuid import uuid4

import pytest
import time_machine

from groups import cancelling
from groups.models import CancelReason, Group
from integrations.models import GatewayEvent
from robots.models import OutboxMessage
from tests.support.entry_points import gateway_operations, gateway_sends, private_messages_to
from tests.support.group_events import bound

pytestmark = pytest.mark.django_db


UNBOUND = ("unbind_group_success", {"robot_id": "r1", "group_id": "g1"})


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-02T{clock}+08:00")


def tells_at(clock: str, *events) -> None:
    """The gateway tells these at that time of one day."""
    with time_machine.travel(at(clock), tick=False):
        gateway_sends(*events)


def kicked(clock: str):
    words = {"robot_id": "r1", "group_id": "g1", "user_id": "wx-alice", "kick_time": f"2026-11-02 {clock}"}
    return ("robot_kicked", words)


def bound_then(clock: str, robot: str = "r1"):
    return bound(robot=robot, bind_time=f"2026-11-02 {clock}")


def notes() -> list[str]:
    """What stands beside the events that were ignored, oldest first."""
    ignored = GatewayEvent.objects.filter(status=GatewayEvent.Status.IGNORED)
    return list(ignored.order_by("id").values_list("note", flat=True))


def test_a_kick_told_after_a_newer_binding_of_the_robot_ends_nothing(alice, robot):
    tells_at("21:30:01", bound_then("21:30:00"))
    tells_at("21:40:05", bound_then("21:40:00"))
    tells_at("21:41:00", kicked("21:39:00"))
    assert (Group.objects.active().count(), gateway_operations("g1")) == (1, ["sync_members"])
    assert Group.objects.get().bound_at == at("21:30:00")  # its income does not begin anew
    tells_at("21:42:00", kicked("21:40:00"))
    assert Group.objects.active().count() == 0


def test_a_binding_told_again_is_no_newer_one(alice, robot):
    tells_at("21:30:01", bound_then("21:30:00"))
    tells_at("21:50:00", bound_then("21:30:00"), bound())  # the second without a moment
    tells_at("21:51:00", kicked("21:45:00"))
    assert Group.objects.active().count() == 0
    assert notes() == ["群已在服务中", "群已在服务中"]


def test_the_robot_is_in_again_after_a_newer_binding(alice, robot):
    tells_at("21:30:01", bound_then("21:30:00"))
    Group.objects.update(robot_is_in=False)
    tells_at("21:40:05", bound_then("21:40:00"))
    assert Group.objects.get().robot_is_in


def test_a_binding_told_after_the_kick_that_ended_it_makes_no_group(alice, robot):
    tells_at("21:30:01", bound_then("21:30:00"))
    tells_at("21:39:01", kicked("21:39:00"))
    tells_at("21:41:00", bound_then("21:30:00"), bound_then("21:38:59"))
    assert (Group.objects.active().count(), notes()) == (0, ["这次绑定已经结束"] * 2)
    tells_at("21:45:00", bound_then("21:39:00"))
    assert Group.objects.active().count() == 1


def test_a_binding_told_again_after_operators_ended_it_makes_no_group(alice, robot):
    tells_at("21:30:01", bound_then("21:30:00"))
    ends = {"reason": CancelReason.OPERATOR, "by": "root", "at": at("21:35:00")}
    cancelling.cancel(group_ids=[Group.objects.get().pk], **ends)
    tells_at("21:36:00", bound_then("21:30:00"))
    assert Group.objects.active().count() == 0


def test_an_unbinding_that_we_did_not_ask_for_ends_nothing(alice, robot):
    gateway_sends(bound())
    gateway_sends(UNBOUND)
    assert (Group.objects.active().count(), gateway_operations("g1")) == (1, ["sync_members"])
    assert notes() == ["这次绑定以后没有要求过解绑"]


def unbinding_of_the_earlier_life(**facts) -> OutboxMessage:
    """A group that was cancelled and bound anew at 21:50; what asked the gateway to leave the first time."""
    tells_at("21:30:01", bound_then("21:30:00"))
    ends = {"reason": CancelReason.OPERATOR, "by": "root", "at": at("21:40:00")}
    cancelling.cancel(group_ids=[Group.objects.get().pk], **ends)
    OutboxMessage.objects.filter(operation="unbind_group").update(**facts)
    tells_at("21:50:01", bound_then("21:50:00"))
    return OutboxMessage.objects.get(operation="unbind_group")


@pytest.mark.parametrize(
    ("tried", "outcome", "ended"),
    [
        ("21:41:00", "done", False),
        ("21:50:00", "done", True),
        ("21:50:30", "unknown", True),
        ("21:50:30", "refused", False),
    ],
)
def test_only_an_unbinding_that_left_after_the_binding_ends_it(alice, robot, tried: str, outcome: str, ended: bool):
    unbinding = unbinding_of_the_earlier_life(status=OutboxMessage.Status.SENT, settled_at=at("21:51:00"))
    unbinding.attempts.create(outcome=outcome, tried_at=at(tried))
    tells_at("21:52:00", UNBOUND)
    assert (Group.objects.active().count() == 0) is ended


def test_an_unbinding_whose_answer_is_not_written_down_yet_ends_the_binding(alice, robot):
    unbinding_of_the_earlier_life(lease=uuid4(), leased_until=at("21:52:00"))
    tells_at("21:51:00", UNBOUND)
    assert Group.objects.active().count() == 0


def test_a_failed_join_told_after_the_binding_is_told_to_nobody(alice, robot):
    gateway_sends(bound())
    thanked = private_messages_to("wx-alice")
    words = {"robot_id": "r1", "group_id": "g1", "user_id": "wx-alice", "name": "好群", "reason": "群满了"}
    gateway_sends(("robot_join_failed", words))
    assert (private_messages_to("wx-alice"), notes()) == (thanked, ["群已绑定"])
