"""The private menu: the handlers of the private messages that users send to robots.

Apps register handlers in their `menu.py`, which `robots.apps` loads. The handlers are called in the order of ORDER until
one has handled the message.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.cache import cache
from django.db import transaction

from accounts.models import User
from config.platform.cache import REDIS_AWAY
from integrations.gateway.payloads import MessageParts
from robots.models import Robot, Source, SourceType
from robots.outbox import writing

ORDER = (
    "home",  # groups: a user with an incomplete profile who asks for the home page gets the link to complete it
    "open_conversation",  # feedback: an open conversation with customer service gets every message
    "newcomers",  # groups: the link to complete the profile, for choice 1
    "non_owners",  # groups: the menu is for users who own a group in WeChat; others get no answer
    "customer_service",  # feedback: choice 5
    "mass_message",  # launches: choice 7, and the message that follows it
    "menu",  # groups: the menu itself, the other choices, and every message that is still unhandled
)
REMEMBERED_SECONDS = 600  # how long a user's state in the menu is kept
LEAVE = "退出"
MENU = "菜单"


@dataclass(frozen=True)
class IncomingMessage:
    """A private message that a user sent to a robot."""

    user: User
    robot: Robot
    parts: MessageParts
    text: str  # stripped and NFKC-normalized; empty for a message that is no text
    event_id: str
    at: datetime


Handler = Callable[[IncomingMessage], bool]
_handlers: dict[str, Handler] = {}


def handles(name: str) -> Callable[[Handler], Handler]:
    """Register the decorated function under this name of ORDER. It returns whether it has handled the message."""

    def register(handler: Handler) -> Handler:
        if name not in ORDER or name in _handlers:
            raise ValueError(f"{name} is not a free place of {ORDER}")
        _handlers[name] = handler
        return handler

    return register


def dispatch(message: IncomingMessage) -> str:
    """Call the handlers until one has handled the message. Returns its name, or an empty string."""
    return next((name for name in ORDER if name in _handlers and _handlers[name](message)), "")


def reply(message: IncomingMessage, *contents: writing.Content) -> None:
    """Send the contents to the user through the robot that received the message."""
    writing.post_all(
        [
            writing.private_message(
                robot=message.robot,
                user_code=str(message.user.code),
                content=content,
                source=Source(SourceType.PRIVATE_MESSAGE, message.event_id),
                at=message.at,
            )
            for content in contents
        ]
    )


def choice(message: IncomingMessage) -> str:
    """Return the number that was chosen in the main menu, an empty string for other text or in a submenu."""
    return message.text if message.text.isdigit() and state_of(message.user.pk) in ("", MENU) else ""


def state_of(user_id: UUID) -> str:
    """Return the user's state in the menu: empty, MENU, or the name of a submenu. It is empty while Redis is away."""
    with suppress(*REDIS_AWAY):
        return str(cache.get(_key(user_id), ""))
    return ""


def set_state(user_id: UUID, state: str) -> None:
    """Set the user's state in the menu for ten minutes when this transaction commits. An empty state deletes it."""
    transaction.on_commit(lambda: _store(user_id, state))


def _store(user_id: UUID, state: str) -> None:
    with suppress(*REDIS_AWAY):
        if state:
            cache.set(_key(user_id), state, REMEMBERED_SECONDS)
        else:
            cache.delete(_key(user_id))


def _key(user_id: UUID) -> str:
    return f"menu:{user_id}"
