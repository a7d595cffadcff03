"""The generator of the states of payouts in docs/ledger.md (`python -m tests.earnings.ledger_page`); a test compares both."""

import os
from collections.abc import Iterator
from typing import Any

import django
from django.utils import translation

from tests.support.paths import PROJECT

PAGE = PROJECT / "docs/ledger.md"
COMMAND = "python -m tests.earnings.ledger_page"
BEGIN = f"<!-- Written by `{COMMAND}`; a test fails when it is stale. -->"
END = "<!-- End of the written part. -->"
_RETURNED = "`withdrawal_returned`"
_POSTED = {
    "PAID": "`withdrawal_paid`",
    "FAILED": _RETURNED,
    "REJECTED": _RETURNED,
}  # by the status of the withdrawal


def with_states(page: str, states: Any, transitions: Any) -> str:
    """Return the page with a picture and a table of these transitions (`PayoutState`, `TRANSITIONS`)."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return "\n".join(
        [before + BEGIN, "", *_picture(states, transitions), "", *_table(transitions), "", END + after]
    )


def _picture(states: Any, transitions: Any) -> Iterator[str]:
    """Yield the lines of a Mermaid diagram: an arrow for each change of a state, with the events that cause it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for event, row in transitions.items():
        for source in [state.name for state in row.sources] or ["[*]"]:
            if row.to is not None and row.to.name != source:
                arrows.setdefault((source, row.to.name), []).append(event)
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield from (f'    state "{_labeled(state)}" as {state.name}' for state in states)
    yield from (f"    {source} --> {target}: {', '.join(events)}" for (source, target), events in arrows.items())
    left = {source for source, _target in arrows}
    yield from (f"    {state.name} --> [*]" for state in states if state.name not in left)
    yield "```"


def _table(transitions: Any) -> Iterator[str]:
    yield "| event | by | in the states | new state | writes | withdrawal | ledger |"
    yield "|---|---|---|---|---|---|---|"
    for event, row in transitions.items():
        cells = [
            event,
            row.by,
            ", ".join(state.value for state in row.sources) or "—",
            row.to.value if row.to else "the same",
            ", ".join(f"`{name}`" for name in row.writes),
            _labeled(row.withdrawal) if row.withdrawal is not None else "",
            _POSTED.get(row.withdrawal.name, "") if row.withdrawal is not None else "",
        ]
        yield f"| {' | '.join(cells)} |"


def _labeled(choice: Any) -> str:
    """Return the stored value of a status and its label in the admin."""
    with translation.override("zh-hans"):
        return f"{choice.value} {choice.label}"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from earnings.models import PayoutState  # noqa: PLC0415 - models need Django
    from earnings.payouts.state import TRANSITIONS  # noqa: PLC0415

    PAGE.write_text(with_states(PAGE.read_text(), PayoutState, TRANSITIONS))


if __name__ == "__main__":
    main()
