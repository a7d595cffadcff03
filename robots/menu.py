"""The private menu: who answers what a user tells a robot. The first that claims a message has it.

Rooms put claimants into the order that stands here, in their `menu.py`, which `robots.apps` loads.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import transaction

from accounts.models import User
from config.platform.cache import REDIS_AWAY
from robots.models import Robot
from robots.outbox import writing

ORDER = (
    "home",  # groups: who has not completed the profile and asks for the home page gets the link to do so
    "open_conversation",  # feedback: a talk with customer service has every word
    "newcomers",  # groups: the same for those who choose it by its number
    "non_owners",  # groups: the menu is for who owns a group in WeChat, others get no answer
    "customer_service",  # feedback: choice 5
    "mass_message",  # launches: choice 7, and what comes after it
    "menu",  # groups: the menu itself, the other choices, and whatever nobody understood
)
REMEMBERED_SECONDS = 600  # how long a user's place in the menu is remembered
LEAVE = "退出"
MENU = "菜单"


@dataclass(frozen=True)
class IncomingMessage:
    """What a user told a robot in private."""

    user: User
    robot: Robot
    parts: dict[str, Any]  # of integrations.gateway.payloads
    words: str  # what was said as text, blanks around it taken off; else nothing
    event_id: str
    at: datetime


Handler = Callable[[IncomingMessage], bool]
_handlers: dict[str, Handler] = {}


def handles(place: str) -> Callable[[Handler], Handler]:
    """Put the decorated function at this place of the order; it answers whether the message was its own."""

    def register(handler: Handler) -> Handler:
        if place not in ORDER or place in _handlers:
            raise ValueError(f"{place} is not a free place of {ORDER}")
        _handlers[place] = handler
        return handler

    return register


def dispatch(said: IncomingMessage) -> str:
    """Have the first that claims it answer; whose it was, or nothing."""
    return next((place for place in ORDER if place in _handlers and _handlers[place](said)), "")


def reply(said: IncomingMessage, *contents: writing.Content) -> None:
    """Say this to the user, through the robot that was spoken to."""
    writing.post_all(
        [
            writing.private_message(
                robot=said.robot,
                user_code=str(said.user.code),
                content=content,
                cause=f"private_message:{said.event_id}",
                at=said.at,
            )
            for content in contents
        ]
    )


def choice(said: IncomingMessage) -> str:
    """The number chosen in the main menu; nothing when it is other words, or said in a list below."""
    return said.words if said.words.isdigit() and state_of(said.user.pk) in ("", MENU) else ""


def state_of(user_id: UUID) -> str:
    """Where in the menu the user is: nowhere, in the main menu, or in a list below. Nowhere while Redis is away."""
    with suppress(*REDIS_AWAY):
        return str(cache.get(_key(user_id), ""))
    return ""


def set_state(user_id: UUID, place: str) -> None:
    """Remember where the user is, for ten minutes, once this transaction commits; nowhere forgets it."""
    transaction.on_commit(lambda: _remember(user_id, place))


def _remember(user_id: UUID, place: str) -> None:
    with suppress(*REDIS_AWAY):
        if place:
            cache.set(_key(user_id), place, REMEMBERED_SECONDS)
        else:
            cache.delete(_key(user_id))


def _key(user_id: UUID) -> str:
    return f"menu:{user_id}"
