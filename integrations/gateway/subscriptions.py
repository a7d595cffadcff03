"""Who listens to which event of the robot gateway.

Apps subscribe in their `events.py`, which `integrations.apps` loads in the order of INSTALLED_APPS;
subscribers of one command run in that order, all in the transaction that marks the event handled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.errors import BadRequest

# A handler returns what operators are to read beside the event, if anything.
Handler = Callable[["Event"], str | None]
# Of many events at once; answers, by event_id, which of them need nothing more, and why.
BulkHandler = Callable[[Sequence["Event"]], Mapping[str, str]]
_subscribers: dict[str, list[Handler]] = {}
_in_bulk: dict[str, list[BulkHandler]] = {}


@dataclass(frozen=True)
class Event:
    """What a subscriber sees: the gateway's words and the moment we received them."""

    event_id: str
    command: str
    body: Any
    received_at: datetime
    number: int = 0  # its place in the order of arrival


class EventIgnored(Exception):  # noqa: N818 - not an error: nothing needed doing
    """Nothing is to be done about this event; the reason is kept beside it."""


class BadEvent(BadRequest):
    """The gateway's words are not what its command promises."""


def subscribe(command: str) -> Callable[[Handler], Handler]:
    """Have the decorated function called for every event of `command`."""

    def register(handler: Handler) -> Handler:
        _subscribers.setdefault(command, []).append(handler)
        return handler

    return register


def subscribe_in_bulk(command: str) -> Callable[[BulkHandler], BulkHandler]:
    """Have the decorated function called for many events of `command` at once, those of a lane in their order.

    For what comes in masses. When a batch fails as a whole it is called again for one event at a time.
    """

    def register(handler: BulkHandler) -> BulkHandler:
        def one(event: Event) -> None:
            for reason in handler([event]).values():
                raise EventIgnored(reason)

        _subscribers.setdefault(command, []).append(one)
        _in_bulk.setdefault(command, []).append(handler)
        return handler

    return register


def subscribers_of(command: str) -> list[Handler]:
    """Everyone who listens to `command`, in order; nobody when it is unknown."""
    return _subscribers.get(command, [])


def bulk_subscribers_of(command: str) -> list[BulkHandler]:
    """The same, if every one of them takes many at once; else nobody."""
    handlers = _in_bulk.get(command, [])
    return handlers if len(handlers) == len(subscribers_of(command)) else []


def word(body: Any, name: str, *, needed: bool = True, longest: int = 128) -> str:
    """A string field of an event's body; numbers are taken as their digits."""
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int | None):
            raise BadEvent("应为文字", field=name)
        value = "" if value is None else str(value)
    text = value.strip()
    if len(text) > longest:
        raise BadEvent(f"不能超过 {longest} 个字符", field=name)
    if needed and not text:
        raise BadEvent("缺少必填项", field=name)
    return text
