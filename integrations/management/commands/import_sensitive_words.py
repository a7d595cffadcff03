"""`manage.py import_sensitive_words`: import a list of sensitive words."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations.moderation import imports
from integrations.moderation.imports import MAX_NAME_LENGTH, NotAList, WordFile


class Command(BaseCommand):
    help = (
        "Import sensitive words: the first column of a CSV or text file (UTF-8 or GBK), one a line. "
        "The import can be undone in the admin（敏感词导入）."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--short", action="store_true", help="take words of one character or two Latin letters or digits too"
        )
        parser.add_argument("--by", default="命令行", help="who is kept as having imported them")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, keep nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if len(options["by"]) > MAX_NAME_LENGTH:
            raise CommandError(f"--by takes at most {MAX_NAME_LENGTH} characters.")
        try:
            found = imports.read_words(path.read_bytes(), with_short=options["short"])
        except (OSError, NotAList) as error:
            raise CommandError(f"{path} cannot be read: {error}") from error
        for line in found.refused:
            self.stderr.write(line)
        if not options["dry_run"] and found.words:
            imports.import_words(found.words, file_name=path.name, by=options["by"], at=timezone.now())
        self._report(found, with_short=options["short"], would="would be " if options["dry_run"] else "")

    def _report(self, found: WordFile, *, with_short: bool, would: str) -> None:
        if found.has_header:
            self.stdout.write("The first line is a header and no word.")
        if found.risky:
            taken = f"{would or 'were '}taken too" if with_short else "left out (--short takes them)"
            self.stdout.write(
                f"{len(found.single)} words of one character and {len(found.short)} of two Latin letters or"
                f" digits {taken}: {' '.join(found.risky[:50])}"
            )
        self.stdout.write(
            f"{found.new} {would}new, {found.known} known already, {found.repeated} repeated,"
            f" {len(found.refused)} refused."
        )
