"""The handlers of the robot gateway's events.

Apps register handlers with `subscribe` in their `subscribers.py`, which `integrations.apps` loads in the order of
INSTALLED_APPS.
The handlers of one command run in that order, all in the transaction that marks the event as handled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.errors import BadRequest

# A handler may return a note, which operators read beside the event.
Handler = Callable[["Event"], str | None]
# A bulk handler takes many events and returns the reasons of those that are to be ignored, by event_id.
BulkHandler = Callable[[Sequence["Event"]], Mapping[str, str]]
_handlers: dict[str, list[Handler]] = {}
_bulk_handlers: dict[str, list[BulkHandler]] = {}


@dataclass(frozen=True)
class Event:
    """An event as the gateway posted it, and the moment when it was received."""

    event_id: str
    command: str
    body: Any
    received_at: datetime
    number: int = 0  # ascending in the order of arrival


class EventIgnored(Exception):
    """The event needs no handling. The reason is stored beside the event."""


class BadEvent(BadRequest):
    """The body of an event lacks a field of its command, or has a field of the wrong type."""


def subscribe(command: str) -> Callable[[Handler], Handler]:
    """Register the decorated function as a handler of every event of `command`."""

    def register(handler: Handler) -> Handler:
        _handlers.setdefault(command, []).append(handler)
        return handler

    return register


def subscribe_in_bulk(command: str) -> Callable[[BulkHandler], BulkHandler]:
    """Register the decorated function as a handler of many events of `command` at once.

    Events of one ordering key come in their order. It is for commands that come in masses. When a batch fails, the
    handler is called again for one event at a time.
    """

    def register(handler: BulkHandler) -> BulkHandler:
        def handle_one(event: Event) -> None:
            for reason in handler([event]).values():
                raise EventIgnored(reason)

        _handlers.setdefault(command, []).append(handle_one)
        _bulk_handlers.setdefault(command, []).append(handler)
        return handler

    return register


def handlers_of(command: str) -> list[Handler]:
    """Return the handlers of `command` in their order, none for an unknown command."""
    return _handlers.get(command, [])


def bulk_handlers_of(command: str) -> list[BulkHandler]:
    """Return the bulk handlers of `command`, none unless every handler of it takes many events at once."""
    handlers = _bulk_handlers.get(command, [])
    return handlers if len(handlers) == len(handlers_of(command)) else []


def text_field(body: Any, name: str, *, required: bool = True, max_length: int = 128) -> str:
    """Return a string field of an event's body; a number becomes its digits. Raises BadEvent."""
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int | None):
            raise BadEvent("应为文字", field=name)
        value = "" if value is None else str(value)
    text = value.strip()
    if len(text) > max_length:
        raise BadEvent(f"不能超过 {max_length} 个字符", field=name)
    if required and not text:
        raise BadEvent("缺少必填项", field=name)
    return text
