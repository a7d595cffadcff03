"""The handlers of the robot gateway's events.

Apps register handlers with `subscribe` in their `subscribers.py`, which `integrations.apps` loads in the order of
INSTALLED_APPS.
The handlers of one command run in that order, all in the transaction that marks the event as handled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Generic, TypeVar

from integrations.gateway.event_body import EventBody

Body = TypeVar("Body", bound=EventBody)


@dataclass(frozen=True)
class Event(Generic[Body]):
    """An event with its parsed body, and the moment when it was received."""

    event_id: str
    body: Body
    received_at: datetime
    number: int = 0  # ascending in the order of arrival

    def moment(self, stated: datetime | None) -> datetime:
        """Return a time of the body, at most the time of receipt, which also stands for a time that is missing."""
        return min(stated, self.received_at) if stated else self.received_at  # the gateway's clock may be fast


# A handler may return a note, which operators read beside the event.
Handler = Callable[[Event[Body]], str | None]
# A bulk handler takes many events and returns the reasons of those that are to be ignored, by event_id.
BulkHandler = Callable[[Sequence[Event[Body]]], Mapping[str, str]]
_handlers: dict[str, list[Handler[Any]]] = {}
_bulk_handlers: dict[str, list[BulkHandler[Any]]] = {}


class EventIgnored(Exception):
    """The event needs no handling. The reason is stored beside the event."""


def subscribe(kind: type[Body]) -> Callable[[Handler[Body]], Handler[Body]]:
    """Register the decorated function as a handler of every event of this class."""

    def register(handler: Handler[Body]) -> Handler[Body]:
        _handlers.setdefault(kind.command, []).append(handler)
        return handler

    return register


def subscribe_in_bulk(kind: type[Body]) -> Callable[[BulkHandler[Body]], BulkHandler[Body]]:
    """Register the decorated function as a handler of many events of this class at once.

    Events of one ordering key come in their order. It is for commands that come in masses. When a batch fails, the
    handler is called again for one event at a time.
    """

    def register(handler: BulkHandler[Body]) -> BulkHandler[Body]:
        @wraps(handler)
        def handle_one(event: Event[Body]) -> None:
            for reason in handler([event]).values():
                raise EventIgnored(reason)

        _handlers.setdefault(kind.command, []).append(handle_one)
        _bulk_handlers.setdefault(kind.command, []).append(handler)
        return handler

    return register


def handlers_of(command: str) -> list[Handler[Any]]:
    """Return the handlers of `command` in their order, none for an unknown command."""
    return _handlers.get(command, [])


def bulk_handlers_of(command: str) -> list[BulkHandler[Any]]:
    """Return the bulk handlers of `command`, none unless every handler of it takes many events at once."""
    handlers = _bulk_handlers.get(command, [])
    return handlers if len(handlers) == len(handlers_of(command)) else []
