"""`manage.py import_sensitive_words`: take a list of words in."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations import moderation


class Command(BaseCommand):
    help = "Import sensitive words: the first column of a CSV or text file (UTF-8 or GBK), one a line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, keep nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told = moderation.import_words(options["file"].read_bytes(), dry_run=options["dry_run"])
        except (OSError, moderation.NotAList) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from error
        for line in told.refused:
            self.stderr.write(line)
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(
            f"{told.new} {would}new, {told.known} known already, {told.repeated} repeated, {len(told.refused)} refused."
        )
