"""The states of payouts in docs/ledger.md match the table of transitions."""

import re

from earnings.models import PayoutState
from earnings.payouts.state import TRANSITIONS, PayoutEvent
from tests.earnings.ledger_page import COMMAND, PAGE, with_states


def test_the_page_shows_the_transitions_of_the_table():
    assert PAGE.read_text() == with_states(PAGE.read_text(), PayoutState, TRANSITIONS), f"run {COMMAND}"


def test_the_page_names_every_state_and_every_event():
    page = PAGE.read_text()
    states = re.findall(r'^    state "(\w+) \S+" as [A-Z_]+$', page, re.MULTILINE)
    assert states == [state.value for state in PayoutState]
    assert [event for event in PayoutEvent if f"| {event} |" not in page] == []
