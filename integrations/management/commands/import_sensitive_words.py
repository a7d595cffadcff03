"""`manage.py import_sensitive_words`: take a list of words in."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from integrations import moderation
from integrations.models import SensitiveWord

CHUNK = 5000


class Command(BaseCommand):
    help = "Import sensitive words: the first column of a CSV or text file in UTF-8, one a line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="say how many are new, keep nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        words = _words(options["file"])
        if options["dry_run"]:
            known = set(SensitiveWord.objects.filter(word__in=words).values_list("word", flat=True))
            self.stdout.write(f"{len(words) - len(known)} of {len(words)} words would be new.")
            return
        new = 0
        for start in tqdm(range(0, len(words), CHUNK), desc="words", unit="chunk", disable=None):
            new += moderation.add_words(words[start : start + CHUNK])
        self.stdout.write(f"{new} new words, {len(words) - new} were there already.")


def _words(path: Path) -> list[str]:
    try:
        return moderation.words_of(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}. Give a CSV or text file in UTF-8.") from error
