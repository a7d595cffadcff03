"""`manage.py create_api_key`: a key for an outside system, shown once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.api_keys import issue_key
from config.models import Scope


class Command(BaseCommand):
    help = "Make a service key. It is printed once; only its hash is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="which system it is for")
        parser.add_argument("--scope", action="append", required=True, choices=Scope.values, help="may be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(issue_key(options["name"], options["scope"]))
