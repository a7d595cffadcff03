"""Events that the gateway reports late or in another order undo nothing newer."""

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


def report_at(clock: str, *events) -> None:
    """Handle events that the gateway sends at this time of one day."""
    with time_machine.travel(at(clock), tick=False):
        gateway_sends(*events)


def kicked(clock: str):
    body = {"robot_id": "r1", "group_id": "g1", "user_id": "wx-alice", "kick_time": f"2026-11-02 {clock}"}
    return ("robot_kicked", body)


def bound_then(clock: str, robot: str = "r1"):
    return bound(robot=robot, bind_time=f"2026-11-02 {clock}")


def notes() -> list[str]:
    """Return the notes of ignored events, oldest first."""
    ignored = GatewayEvent.objects.filter(status=GatewayEvent.Status.IGNORED)
    return list(ignored.order_by("id").values_list("note", flat=True))


def test_a_kick_reported_after_a_newer_binding_cancels_nothing(alice, robot):
    report_at("21:30:01", bound_then("21:30:00"))
    report_at("21:40:05", bound_then("21:40:00"))
    report_at("21:41:00", kicked("21:39:00"))
    assert (Group.objects.active().count(), gateway_operations("g1")) == (1, ["sync_members"])
    assert Group.objects.get().bound_at == at("21:30:00")  # the income of the group does not start again
    report_at("21:42:00", kicked("21:40:00"))
    assert Group.objects.active().count() == 0


def test_a_binding_reported_again_is_no_newer_binding(alice, robot):
    report_at("21:30:01", bound_then("21:30:00"))
    report_at("21:50:00", bound_then("21:30:00"), bound())  # the second without a moment
    report_at("21:51:00", kicked("21:45:00"))
    assert Group.objects.active().count() == 0
    assert notes() == ["群已在服务中", "群已在服务中"]


def test_the_robot_is_in_again_after_a_newer_binding(alice, robot):
    report_at("21:30:01", bound_then("21:30:00"))
    Group.objects.update(robot_is_in=False)
    report_at("21:40:05", bound_then("21:40:00"))
    assert Group.objects.get().robot_is_in


def test_a_binding_reported_after_the_kick_that_ended_it_creates_no_group(alice, robot):
    report_at("21:30:01", bound_then("21:30:00"))
    report_at("21:39:01", kicked("21:39:00"))
    report_at("21:41:00", bound_then("21:30:00"), bound_then("21:38:59"))
    assert (Group.objects.active().count(), notes()) == (0, ["这次绑定已经结束"] * 2)
    report_at("21:45:00", bound_then("21:39:00"))
    assert Group.objects.active().count() == 1


def test_a_binding_reported_again_after_an_operator_cancelled_it_creates_no_group(alice, robot):
    report_at("21:30:01", bound_then("21:30:00"))
    params = {"reason": CancelReason.OPERATOR, "by": "root", "at": at("21:35:00")}
    cancelling.cancel_groups(group_ids=[Group.objects.get().pk], **params)
    report_at("21:36:00", bound_then("21:30:00"))
    assert Group.objects.active().count() == 0


def test_an_unbinding_that_we_did_not_request_cancels_nothing(alice, robot):
    gateway_sends(bound())
    gateway_sends(UNBOUND)
    assert (Group.objects.active().count(), gateway_operations("g1")) == (1, ["sync_members"])
    assert notes() == ["这次绑定以后没有要求过解绑"]


def unbinding_of_earlier_binding(**fields) -> OutboxMessage:
    """Cancel a group and bind it again at 21:50. Returns the first request to unbind it."""
    report_at("21:30:01", bound_then("21:30:00"))
    params = {"reason": CancelReason.OPERATOR, "by": "root", "at": at("21:40:00")}
    cancelling.cancel_groups(group_ids=[Group.objects.get().pk], **params)
    OutboxMessage.objects.filter(operation="unbind_group").update(**fields)
    report_at("21:50:01", bound_then("21:50:00"))
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
def test_only_an_unbinding_sent_after_the_binding_cancels_the_group(
    alice, robot, tried: str, outcome: str, ended: bool
):
    unbinding = unbinding_of_earlier_binding(status=OutboxMessage.Status.SENT, finished_at=at("21:51:00"))
    unbinding.recorded_attempts.create(outcome=outcome, tried_at=at(tried))
    report_at("21:52:00", UNBOUND)
    assert (Group.objects.active().count() == 0) is ended


def test_an_unbinding_whose_attempt_is_not_recorded_yet_cancels_the_group(alice, robot):
    unbinding_of_earlier_binding(lease=uuid4(), leased_until=at("21:52:00"))
    report_at("21:51:00", UNBOUND)
    assert Group.objects.active().count() == 0


def test_a_failed_join_reported_after_the_binding_notifies_nobody(alice, robot):
    gateway_sends(bound())
    thanked = private_messages_to("wx-alice")
    body = {"robot_id": "r1", "group_id": "g1", "user_id": "wx-alice", "name": "好群", "reason": "群满了"}
    gateway_sends(("robot_join_failed", body))
    assert (private_messages_to("wx-alice"), notes()) == (thanked, ["群已绑定"])
