"""`manage.py send`: a sender, until it is told to stop."""

import gc
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db.backends.signals import connection_created

from config.checks import require_sound_settings
from config.platform.stopping import StopRequest
from config.platform.wakeups import Listener
from robots.outbox.sender import Sender
from robots.outbox.writing import CHANNEL


class Command(BaseCommand):
    help = "Send what waits in the outbox, all the time. Run as many as you like; SIGTERM ends one cleanly."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="send what can be sent now, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        require_sound_settings()
        connection_created.connect(_write_later)
        with Sender() as sender:
            if options["once"]:
                self.stdout.write(f"Tries: {sender.drain()}")
            else:
                self._run(sender)

    def _run(self, sender: Sender) -> None:
        stop = StopRequest().install(signal.SIGTERM, signal.SIGINT)
        Listener(CHANNEL, sender.look).start()
        gc.freeze()  # what the project is made of stays; looking through it again and again is a tenth of the work
        sender.run(stop.requested)


def _write_later(connection: Any, **_: object) -> None:
    """Do not wait for the disk: claims and receipts that a crash of PostgreSQL forgets are made again."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")
