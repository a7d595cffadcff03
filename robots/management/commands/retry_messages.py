"""`manage.py retry_messages`: have failed messages tried again, or close them."""

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone
from tqdm import tqdm

from config.platform.dates import time_from
from robots.models import OutboxMessage, SourceType
from robots.outbox import failed

CHUNK = 1_000  # messages changed in one transaction
FILTERS = {"robot": "robot__code", "group": "group_code", "user": "user_code", "operation": "operation"}


class Command(BaseCommand):
    help = "Have messages that failed five times tried again, oldest first. Without a filter: all of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--robot", help="of this robot (code)")
        parser.add_argument("--group", help="to this group (code)")
        parser.add_argument("--user", help="to this user (code)")
        parser.add_argument(
            "--source", nargs="+", metavar=("TYPE", "ID"), help="of 'launch <id>', or of any 'launch'"
        )
        parser.add_argument("--operation", choices=OutboxMessage.Operation.values)
        parser.add_argument("--reason", help="whose last answer has these words")
        parser.add_argument("--since", type=_moment, help="failed at or after YYYY-MM-DD HH:MM:SS (Shanghai)")
        parser.add_argument("--until", type=_moment, help="failed before then")
        parser.add_argument("--close", action="store_true", help="give up on them instead")
        parser.add_argument("--by", default="命令行", help="who is kept as having closed them")
        parser.add_argument("--dry-run", action="store_true", help="say how many, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = _chosen(options)
        count = chosen.count()
        done_to = "closed" if options["close"] else "tried again"
        if options["dry_run"]:
            self.stdout.write(f"{count} messages would be {done_to}.")
            return
        done = sum(self._change(chosen, count, options))
        left = failed.count_failed()
        self.stdout.write(
            f"{done} messages {'closed' if options['close'] else 'will be tried again'}; {left} left."
        )

    def _change(self, chosen: QuerySet[OutboxMessage], count: int, options: dict[str, Any]) -> list[int]:
        """Change the messages in chunks. A killed run leaves the others FAILED for the next run. Returns the counts."""
        done, last = [], 0
        with tqdm(total=count, desc="messages", unit="message", disable=None) as bar:
            while keys := list(chosen.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:CHUNK]):
                chunk, last, now = OutboxMessage.objects.filter(pk__in=keys), keys[-1], timezone.now()
                if options["close"]:
                    done.append(failed.close_failed(chunk, by=options["by"], at=now))
                else:
                    done.append(failed.retry_failed(chunk, at=now))
                bar.update(len(keys))
        return done


def _moment(text: str) -> datetime:
    try:
        return time_from(text)
    except ValueError as error:
        raise CommandError(f"'{text}' is no moment: write YYYY-MM-DD HH:MM:SS.") from error


def _source_filter(source_type: str = "", source_id: str = "", *surplus: str) -> dict[str, str]:
    if surplus or source_type not in ("", *SourceType.values):
        raise CommandError(f"--source takes one of {', '.join(SourceType.values)}, and one id or none.")
    return {name: value for name, value in (("source_type", source_type), ("source_id", source_id)) if value}


def _chosen(options: dict[str, Any]) -> QuerySet[OutboxMessage]:
    chosen: QuerySet[OutboxMessage] = OutboxMessage.objects.failed()
    wanted = {column: options[name] for name, column in FILTERS.items() if options[name]}
    wanted |= _source_filter(*options["source"] or [])
    if options["reason"]:
        wanted["last_error__contains"] = options["reason"]
    if options["since"]:
        wanted["finished_at__gte"] = options["since"]
    if options["until"]:
        wanted["finished_at__lt"] = options["until"]
    return chosen.filter(**wanted)
