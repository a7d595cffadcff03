"""`manage.py send`: run a sender until it is stopped."""

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from config.checks import require_sound_settings
from config.platform.heartbeats import Heartbeat, Process
from config.platform.stopping import StopRequest
from config.platform.wakeups import Listener
from robots.outbox.sender import Sender
from robots.outbox.writing import CHANNEL
from robots.signals import sender_tick

_ASYNCHRONOUS = "-c synchronous_commit=off"


class Command(BaseCommand):
    help = "Send what waits in the outbox, all the time. Run as many as you like; SIGTERM ends one cleanly."
    requires_system_checks: list[str] = []  # they import all views

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="send what can be sent now, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        require_sound_settings()
        _commit_asynchronously()
        with Sender() as sender:
            if options["once"]:
                self.stdout.write(f"Tries: {sender.drain()}")
            else:
                self._run(sender)

    def _run(self, sender: Sender) -> None:
        stop = StopRequest(sender.pool.interrupt).install(signal.SIGTERM, signal.SIGINT)
        Listener(CHANNEL, sender.notify).start()
        heartbeat = Heartbeat(Process.SENDER)
        heartbeat.start()
        sender_tick.connect(lambda **_: heartbeat.work_done(), weak=False)
        sender.run(stop.requested)


def _commit_asynchronously() -> None:
    """Have later connections commit without waiting for the disk.

    A crash of PostgreSQL loses only leases and results, which are made again. It is an option of the connection: a SET would
    stay in the session, which PgBouncer passes on to other processes.
    """
    options = connections["default"].settings_dict["OPTIONS"]
    if _ASYNCHRONOUS not in options["options"]:
        options["options"] += f" {_ASYNCHRONOUS}"
