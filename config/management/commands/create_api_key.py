"""`manage.py create_api_key`: create a key for an outside system and print it once."""

from argparse import ArgumentTypeError
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.api.keys import issue_key
from config.models import ApiKey, Scope
from config.platform import audit
from config.platform.dates import day_from, end_of
from config.platform.networks import network_from


class Command(BaseCommand):
    help = (
        "Make a service key. It is printed once; only its hash is stored. It needs no second administrator; the audit log"
        " names the command line."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "name", help="which system it is for; the next key of a system is made under the same name"
        )
        parser.add_argument("--scope", action="append", required=True, choices=Scope.values, help="may be repeated")
        end = parser.add_mutually_exclusive_group()
        end.add_argument("--until", type=_day, help="its last day, YYYY-MM-DD in Shanghai; else it does not expire")
        end.add_argument("--days", type=int, help="the same, in how many days from now")
        parser.add_argument(
            "--from",
            dest="networks",
            action="append",
            default=[],
            type=_network,
            help="accepted only from this address or network (10.1.0.0/16); may be repeated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        expires_at = end_of(options["until"]) if options["until"] else None
        if options["days"] is not None:
            expires_at = now + timedelta(days=options["days"])
        if expires_at is not None and expires_at <= now:
            raise CommandError("The key would have expired already.")
        key = ApiKey(name=options["name"], networks=options["networks"], expires_at=expires_at)
        with audit.acting(by=audit.COMMAND_LINE, via="manage.py create_api_key"):
            raw = issue_key(key, options["scope"], confirmed_at=now)
        self.stdout.write(raw)


def _day(text: str) -> date:
    try:
        return day_from(text)
    except ValueError as error:
        raise ArgumentTypeError("not a day, YYYY-MM-DD") from error


def _network(text: str) -> str:
    try:
        return network_from(text)
    except ValueError as error:
        raise ArgumentTypeError(f"neither an address nor a network: {text}") from error
