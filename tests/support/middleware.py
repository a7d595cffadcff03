"""Middleware of test clients: loaded once for all of them, until a setting changes."""

from typing import Any

from django.core.signals import setting_changed
from django.test.client import ClientHandler

_LOADED = ("_view_middleware", "_template_response_middleware", "_exception_middleware", "_middleware_chain")


def share_middleware() -> None:
    """Have test clients share their middleware. Each would load its own at its first call, which costs as much as the call."""
    load = ClientHandler.load_middleware
    shared: dict[str, Any] = {}

    def load_or_share(handler: Any) -> None:
        if not shared:
            load(handler)
            shared.update({name: getattr(handler, name) for name in _LOADED})
        vars(handler).update(shared)

    def forget(**_: Any) -> None:
        shared.clear()

    ClientHandler.load_middleware = load_or_share
    setting_changed.connect(forget, weak=False)
