"""`manage.py sync_robots`: create and update robots by the gateway's list."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.http import OutsideError
from robots import roster


class Command(BaseCommand):
    help = "Take over what the robot gateway says of its robots."
    requires_system_checks: list[str] = []  # they import all views

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            synced = roster.sync_with_gateway()
        except OutsideError as error:
            raise CommandError(f"The gateway does not answer: {error}. Try again later.") from error
        self.stdout.write(f"Robots: {synced.created} new, {synced.updated} updated.")
