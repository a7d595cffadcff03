"""The generator of docs/events.md from the classes of the gateway's events and from their handlers; a test compares both."""

import os
from collections.abc import Iterator
from typing import Any

import django

from tests.support.paths import PROJECT

PAGE = PROJECT / "docs/events.md"
COMMAND = "python -m tests.integrations.events_page"
_KEYS = {"g": "its group", "u": "its user", "r": "its robot", "bans": "all bans"}
_HEAD = f"""# The events of the robot gateway

Written by `{COMMAND}` from `integrations/gateway/events.py` and the docstrings of the
subscribers; a test fails when it is stale. [The robot gateway](gateway.md) describes how events are posted and handled. Each
event is `{{"event_id", "command", "body"}}`.

An event with a required field that is missing, or with a wrong value in a field that is marked as strict, is ignored with
the reason. Other fields may be missing, and a value that cannot be read counts as missing. A time is Shanghai's, as in
`2026-11-23 09:30:00`; one after the receipt counts as the time of receipt. Subscribers run in this order.
"""


def page() -> str:
    """Return the whole page."""
    from integrations.gateway.events import event_classes  # noqa: PLC0415 - the handlers need Django

    return "\n".join([_HEAD, *(line for kind in event_classes() for line in _section(kind))])


def _section(kind: Any) -> Iterator[str]:
    yield f"## `{kind.command}`\n"
    yield f"{kind.__doc__} ({kind.meaning}) {_order(kind)}\n"
    yield "| field | type | | meaning |\n|---|---|---|---|"
    schema = kind.schema().get("items", kind.schema())
    for name, field in schema["properties"].items():
        yield f"| `{name}` | {field['type']} | {_strictness(kind, name, schema)} | {field['description']} |"
    yield ""
    yield from _subscribers(kind.command)
    yield ""


def _order(kind: Any) -> str:
    keys = kind.ordering_keys(kind.example())
    first, after = (_KEYS.get(key.partition(":")[0], "") for key in keys)
    return f"Handled in the order of {first}{f', after earlier events of {after}' if after else ''}."


def _strictness(kind: Any, name: str, schema: Any) -> str:
    if name in schema["required"]:
        return "required"
    strict = {field.name for field in kind.fields.values() if field.is_strict}
    return "strict" if name in strict else ""


def _subscribers(command: str) -> Iterator[str]:
    from integrations.gateway.subscriptions import handlers_of  # noqa: PLC0415 - the handlers need Django

    for handler in handlers_of(command):
        sentences = " ".join((handler.__doc__ or "").split()).partition(" Returns ")[0]
        yield f"- {handler.__module__.partition('.')[0]}: {sentences}"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
