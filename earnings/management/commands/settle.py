"""`manage.py settle --date`: settle a past day, or preview it with --dry-run."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.errors import Refusal
from config.platform.dates import day_named
from earnings import settlement


class Command(BaseCommand):
    help = "Settle one day (Shanghai time). A settled day is left unchanged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--date", required=True, type=day_named, help="YYYY-MM-DD or 'yesterday'")
        parser.add_argument("--dry-run", action="store_true", help="show the amounts, save nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        settle = settlement.preview if options["dry_run"] else settlement.settle_day
        try:
            result = settle(options["date"], at=timezone.now())
        except Refusal as refusal:
            raise CommandError(refusal.description) from refusal
        if not result.is_new:
            self.stdout.write(f"{result.day} is settled already; nothing was changed.")
            return
        for star, count, total in result.per_star:
            self.stdout.write(f"  {f'{star} star' if star else 'legacy'}: {count} groups, {total:.2f} yuan")
        for nickname, total in result.largest:
            self.stdout.write(f"  {nickname}: {total:.2f} yuan")
        done = "would be paid" if options["dry_run"] else "paid"
        self.stdout.write(f"{result.day}: {result.group_count} groups, {result.total:.2f} yuan {done}.")
