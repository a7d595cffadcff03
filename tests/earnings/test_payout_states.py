"""Every event of a payout is tried in every state: it happens where the table of transitions has it, and nowhere else."""

import ast
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from earnings import ledger_check
from earnings.models import LedgerTransaction, Payout, PayoutState, TransactionKind, Withdrawal, WithdrawalStatus
from earnings.payouts import blocked_users
from earnings.payouts.state import TRANSITIONS, Actor, PayoutEvent, apply_event
from earnings.tasks import send_payouts
from tests.support.paths import PROJECT
from tests.support.payouts import set_next_state

pytestmark = pytest.mark.django_db
State = PayoutState
NOW = timezone.now
# WeChat Pay's answers that lead to a state.
ANSWERS = {
    State.SENT: "PROCESSING",
    State.WAITING_USER: "WAIT_USER_CONFIRM",
    State.SUCCEEDED: "SUCCESS",
    State.FAILED: "FAIL",
}
# Columns that meet the conditions of these events.
CONDITIONS: dict[PayoutEvent, dict[str, Any]] = {
    PayoutEvent.NO_BILL: {"provider_state": ""},
    PayoutEvent.DECIDED_PAID: {"needs_operator_at": NOW()},
    PayoutEvent.DECIDED_NOT_PAID: {"needs_operator_at": NOW()},
    PayoutEvent.REVIEWED: {"contradicted_at": NOW()},
}
POSTED = {
    WithdrawalStatus.PAID: TransactionKind.WITHDRAWAL_PAID,
    WithdrawalStatus.FAILED: TransactionKind.WITHDRAWAL_RETURNED,
    WithdrawalStatus.REJECTED: TransactionKind.WITHDRAWAL_RETURNED,
}
EVENTS = [event for event in PayoutEvent if event is not PayoutEvent.APPROVED]
PAIRS = {(before, row.to) for row in TRANSITIONS.values() for before in row.sources if row.to not in (None, before)}


@pytest.fixture
def payout(approved, alice, sandbox, before: PayoutState) -> Payout:
    """A payout that reached the state `before` through the product's own functions."""
    if before in ANSWERS:
        set_next_state(sandbox, ANSWERS[before])
        send_payouts()
    if before is State.REVOKED:
        blocked_users.reject_unpaid_of(alice, by="root", reason="封号", at=NOW())
    found = Payout.objects.select_related("withdrawal__user").get()
    assert found.state == before
    return found


def meet_condition(payout: Payout, event: PayoutEvent) -> None:
    if payout.state in TRANSITIONS[event].sources and event in CONDITIONS:
        Payout.objects.update(**CONDITIONS[event])


def happen(event: PayoutEvent, payout: Payout) -> bool:
    """Apply an event with all columns that its row writes. The operator is named where one decides."""
    values = {
        "open_id": payout.withdrawal.open_id,
        "app_id": payout.withdrawal.app_id,
        "attempts": 3,
        "note": "说明",
        "provider_state": "NEW",
        "package_info": "package",
    }
    columns = {name: value for name, value in values.items() if name in TRANSITIONS[event].writes}
    by = "anna" if TRANSITIONS[event].by in (Actor.OPERATOR, Actor.BLOCK) else ""
    with transaction.atomic():
        return apply_event(event, payout, at=NOW(), by=by, reason="原因", **columns)


def posted_kinds() -> list[str]:
    return sorted(LedgerTransaction.objects.filter(kind__startswith="withdrawal_").values_list("kind", flat=True))


def expected(event: PayoutEvent, payout: Payout) -> tuple[bool, str, int, list[str]]:
    """Return the result by the table: whether it happens, the states of payout and withdrawal, and the postings afterwards."""
    row, kinds = TRANSITIONS[event], posted_kinds()
    if payout.state not in row.sources:
        return False, payout.state, payout.withdrawal.status, kinds
    status = payout.withdrawal.status if row.withdrawal is None else row.withdrawal
    posted = [] if row.withdrawal is None else [POSTED[row.withdrawal]]
    return True, row.to or payout.state, status, sorted([*kinds, *posted])


@pytest.mark.exhaustive
@pytest.mark.parametrize("before", State, ids=str)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_an_event_happens_in_the_states_of_its_row_only(payout, event: PayoutEvent, before: PayoutState):
    meet_condition(payout, event)
    result = expected(event, payout)
    happened = happen(event, payout)
    stored = Payout.objects.select_related("withdrawal").get()
    assert (happened, stored.state, stored.withdrawal.status, posted_kinds()) == result
    assert (payout.state, ledger_check.find_errors()) == (stored.state, [])


@pytest.mark.parametrize("event", CONDITIONS, ids=lambda event: event.name)
@pytest.mark.parametrize("before", [State.SENT, State.SUCCEEDED], ids=str)
def test_an_event_with_a_condition_does_not_happen_without_it(payout, event: PayoutEvent, before: PayoutState):
    assert not happen(event, payout)
    assert (Payout.objects.get().state, Withdrawal.objects.get().status) == (before, payout.withdrawal.status)


@pytest.mark.parametrize(
    ("event", "before"),
    [(PayoutEvent.CANCEL_ASKED, State.SENT), (PayoutEvent.CONTRADICTED, State.FAILED)],
    ids=["cancel", "contradiction"],
)
def test_these_events_happen_once(payout, event: PayoutEvent, before: PayoutState):
    assert happen(event, payout)
    assert not happen(event, payout)


@pytest.mark.parametrize("before", [State.SENT], ids=str)
@pytest.mark.parametrize("event", [e for e in EVENTS if TRANSITIONS[e].by is Actor.OPERATOR], ids=lambda e: e.name)
def test_an_operators_event_needs_the_operators_name(payout, event: PayoutEvent, before: PayoutState):
    with pytest.raises(ValueError, match="by nobody"):
        apply_event(event, payout, at=NOW())


@pytest.mark.parametrize("before", [State.SENT], ids=str)
def test_an_event_writes_the_columns_of_its_row_only(payout, before: PayoutState):
    with pytest.raises(ValueError, match="open_id"):
        apply_event(PayoutEvent.BILL_PAID, payout, at=NOW(), open_id="open-mallory")


def test_an_approval_prepares_a_payout(approved):
    row = TRANSITIONS[PayoutEvent.APPROVED]
    approved.refresh_from_db()
    assert (Payout.objects.get().state, approved.status) == (row.to, row.withdrawal)


def test_the_trigger_allows_the_transitions_of_the_table():
    [trigger] = [one for one in Payout._meta.triggers if one.name == "payout_moves_one_way"]
    assert len(trigger.allowed) == 7
    assert set(trigger.allowed) == PAIRS


@pytest.mark.parametrize(
    ("before", "after"),
    [(one, other) for one in State for other in State if one != other and (one, other) not in PAIRS],
    ids=lambda state: state.value,
)
def test_the_database_refuses_every_other_transition(payout, before: PayoutState, after: PayoutState):
    with pytest.raises(IntegrityError, match=f"does not go from {before} to {after}"), transaction.atomic():
        Payout.objects.update(state=after)


def _writes_state(node: ast.AST) -> bool:
    """Return whether a node assigns `….state` or passes `state=` to `update`."""
    if isinstance(node, ast.Call):
        called = getattr(node.func, "attr", "")
        return called in ("update", "bulk_update") and any(keyword.arg == "state" for keyword in node.keywords)
    targets = node.targets if isinstance(node, ast.Assign) else []
    elements = [part for target in targets for part in getattr(target, "elts", [target])]
    return any(isinstance(part, ast.Attribute) and part.attr == "state" for part in elements)


def test_only_the_table_changes_the_state_of_payouts():
    """`apply_event` passes the state among the columns of the row."""
    sources = [path for path in (PROJECT / "earnings").rglob("*.py") if path.parent.name != "migrations"]
    assert len(sources) > 40
    assert [path for path in sources if any(map(_writes_state, ast.walk(ast.parse(path.read_text()))))] == []


def test_writes_of_a_state_are_recognized():
    found = [
        _writes_state(node)
        for code in ("a.update(state=1)", "a.state = 1", "a.state, b = 1, 2", "state = 1")
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call | ast.Assign)
    ]
    assert found == [True, True, True, False]
