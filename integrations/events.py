"""Who listens to which event of the robot gateway.

Apps subscribe in their `events.py`, which `integrations.apps` loads in the order of INSTALLED_APPS;
subscribers of one command run in that order, all in the transaction that marks the event handled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.errors import BadRequest

Handler = Callable[["Event"], None]
_subscribers: dict[str, list[Handler]] = {}


@dataclass(frozen=True)
class Event:
    """What a subscriber sees: the gateway's words and the moment we received them."""

    event_id: str
    command: str
    body: Any
    received_at: datetime


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


def subscribers_of(command: str) -> list[Handler]:
    """Everyone who listens to `command`, in order; nobody when it is unknown."""
    return _subscribers.get(command, [])


def word(body: Any, name: str, *, needed: bool = True, longest: int = 128) -> str:
    """A string field of an event's body; numbers are taken as their digits."""
    value = body.get(name) if isinstance(body, dict) else None
    if value is None or value == "":
        if needed:
            raise BadEvent(f"{name}: 缺少")
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadEvent(f"{name}: 应为字符串")
    text = str(value).strip()
    if len(text) > longest:
        raise BadEvent(f"{name}: 超过 {longest} 个字符")
    return text
