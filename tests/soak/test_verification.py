"""The verification of a soak finds planted violations, and none in a sound run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from integrations.sandbox.state import State
from robots.outbox import writing
from tests.factories.launches import launched, reachable
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import UserFactory
from tests.soak.calls import BROKEN, Call, Surprise
from tests.soak.chaos import Fault, plan
from tests.soak.verification import Evidence, violations
from tests.support.entry_points import send_due_messages
from tests.support.outbox import source_of
from tests.support.triggers import disable_trigger

pytestmark = pytest.mark.django_db
FAULT = Fault("restart PostgreSQL", 10.0, 13.0, 14.0)


@pytest.fixture
def nothing(tmp_path: Path) -> State:
    """Return a sandbox without calls."""
    return State(tmp_path / "sandbox.jsonl")


@pytest.fixture
def alice() -> User:
    user = UserFactory(phone="13800138000")
    credit(user, "100")
    return user


def call(status: int | str, began: float, *, can_retry: bool = False) -> Call:
    return Call("user", "GET /groups", began, 0.1, status, can_retry)


def found(*calls: Call, sandbox: State, **fields: Any) -> str:
    evidence = Evidence(faults=[FAULT], **fields)
    evidence.log.calls.extend(calls)
    return "\n".join(violations(evidence, sandbox))


def write_text(text: str) -> None:
    group = reachable()
    writing.message_group(
        robot=group.robot,
        group_code=group.code,
        content=writing.text(text),
        source=source_of("soak"),
        at=timezone.now(),
    )
    send_due_messages()


def test_successful_calls_and_failures_during_a_fault_are_no_violation(nothing: State):
    excused = [call(503, 12.0, can_retry=True), call(BROKEN, 11.0), call("refused", 15.0)]
    assert found(call(200, 1.0), *excused, sandbox=nothing) == ""


@pytest.mark.parametrize("planted", [call(500, 12.0), call(503, 12.0), call(502, 1.0, can_retry=True)])
def test_a_5xx_is_a_violation_even_in_a_fault(nothing: State, planted: Call):
    assert f"5xx other than 503 with Retry-After: 1, such as {planted.status} user GET /groups" in found(
        planted, sandbox=nothing
    )


@pytest.mark.parametrize("planted", [call(503, 30.0, can_retry=True), call(BROKEN, 30.0)])
def test_failures_outside_a_fault_are_violations(nothing: State, planted: Call):
    assert "while nothing was broken: 1" in found(planted, sandbox=nothing)


def test_an_unexpected_response_is_a_violation(nothing: State):
    evidence = Evidence(faults=[FAULT])
    evidence.log.surprises += [Surprise("user", "in the fault", 12.0), Surprise("user", "code 1401", 30.0)]
    assert violations(evidence, nothing) == ["unexpected while nothing was broken: 1, such as user: code 1401"]


def test_a_slow_recovery_and_a_missing_fault_are_violations(nothing: State):
    slow = Evidence(faults=[FAULT, Fault("kill beat", 20.0, 20.0, 31.0)], planned=3)
    assert violations(slow, nothing) == [
        "recoveries that took too long: 1, such as kill beat 11.0 s",
        "only 2 of 3 faults were made in time",
    ]


def test_cpu_time_of_other_programs_does_not_count_as_recovery():
    assert Fault("kill beat", 20.0, 20.0, 36.0, others=0.5).own_seconds == 8.0


def test_only_a_missing_message_is_a_violation(sandbox: Any):
    write_text("在吗")
    assert found(sandbox=sandbox.state) == ""
    sandbox.state.messages.clear()
    assert "messages that are sent here and unknown to the gateway: 1" in found(sandbox=sandbox.state)


def test_a_message_without_a_row_is_a_violation(sandbox: Any):
    write_text("在吗")
    [text] = sandbox.state.messages.values()
    sandbox.state.messages["invented"] = text
    assert "messages that the gateway sent and that are not sent here: 1, such as invented" in found(
        sandbox=sandbox.state
    )


def test_a_reply_that_is_sent_twice_or_never_is_a_violation(sandbox: Any):
    evidence = Evidence()
    evidence.accepted.speakers.update({"wx-never", "wx-twice"})
    for number in range(2):
        sandbox.state.messages[str(number)] = {"users": ["wx-twice"], "requests": 1}
    assert "replies that are not sent exactly once: 2, such as wx-never × 0, wx-twice × 2" in violations(
        evidence, sandbox.state
    )


def _without_a_total(user: User, _: State) -> None:
    disable_trigger("earnings.Account:totals_follow_from_entries")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE earnings_account SET available = available + 1 WHERE user_id = %s", [user.pk])


def _another_amount(user: User, sandbox: State) -> None:
    sandbox.bills[requested_withdrawal(user, "20").out_bill_no] = {
        "amount": 2001,
        "state": "SUCCESS",
        "requests": 1,
    }


def _paid_twice(user: User, sandbox: State) -> None:
    for number in (requested_withdrawal(user, "20").out_bill_no, uuid4().hex):
        sandbox.bills[number] = {"amount": 2000, "state": "PROCESSING", "requests": 1}


def _paid_though_not_approved(user: User, sandbox: State) -> None:
    sandbox.bills[requested_withdrawal(user, "20").out_bill_no] = {
        "amount": 2000,
        "state": "SUCCESS",
        "requests": 1,
    }


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (_without_a_total, "the ledger: 1"),
        (_another_amount, "transfers of another amount than their withdrawal: 1"),
        (_paid_twice, "transfers without a withdrawal: 1"),
        (_paid_though_not_approved, "transfers that are paid though their withdrawal is not: 1"),
    ],
)
def test_differences_in_the_ledger_are_a_violation(
    nothing: State, alice: User, plant: Callable[[User, State], None], sentence: str
):
    assert found(sandbox=nothing) == ""
    plant(alice, nothing)
    assert sentence in found(sandbox=nothing)


@pytest.mark.parametrize(
    ("promised", "sentence"),
    [
        ({"events": {"soak-1"}}, "events that were taken and are not handled: 1, such as soak-1"),
        ({"launches": {"soak-launch-1": 4}}, "launches without all their deliveries: 1"),
        ({"withdrawals": {"union-u1": 20}}, "withdrawals that were accepted and are missing: 1"),
        ({"texts": {"13600000001"}}, "texts that were taken and not sent: 1, such as 13600000001"),
    ],
)
def test_accepted_work_that_is_not_done_is_a_violation(nothing: State, promised: dict[str, Any], sentence: str):
    evidence = Evidence()
    for name, kept in promised.items():
        getattr(evidence.accepted, name).update(kept)
    assert sentence in "\n".join(violations(evidence, nothing))


def test_a_mass_message_that_reached_no_group_is_a_violation(nothing: State):
    evidence = Evidence()
    evidence.accepted.mass_messages[str(uuid4())] = 1
    assert "mass messages that did not reach all their groups: 1" in violations(evidence, nothing)[0]


def test_an_unfinished_or_unreported_launch_is_a_violation(sandbox: Any):
    launched(reachable(launch_switch=True))
    assert "still to be done: 1 deliveries" in found(sandbox=sandbox.state)
    send_due_messages()
    assert "deliveries that the launch system does not know of: 1" in found(sandbox=sandbox.state)


def test_a_short_plan_kills_each_process_once_and_a_long_one_makes_every_fault():
    assert sorted(plan(15, 1)) == sorted(plan(15, 2))
    assert {name.partition(" ")[0] for name in plan(15, 1)} == {"kill"}
    assert len(set(plan(15, 1))) == 5
    long = plan(300, 1)
    assert {"restart PostgreSQL", "stop PostgreSQL at once", "restart Redis", "pay: timeout"} <= set(long)
    assert long == plan(300, 1) != plan(300, 2)
