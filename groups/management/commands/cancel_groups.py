"""`manage.py cancel_groups`: cancel many groups, with progress. `--resume` continues jobs of a killed run."""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from groups import cancel_jobs
from groups.models import CancelJob, CancelReason, Group

WATCH_EVERY_SECONDS = 0.05


class Command(BaseCommand):
    help = "Cancel groups by id or code, from a file, or by filters. Unknown and cancelled ones are passed over."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("groups", nargs="*", help="ids or codes")
        parser.add_argument("--file", type=Path, help="one id or code a line")
        parser.add_argument("--robot", help="all groups of this robot (code)")
        parser.add_argument("--user", help="all groups of this user (code)")
        parser.add_argument("--star", type=int, choices=range(1, 6), help="all groups of this star")
        parser.add_argument("--reason", type=int, choices=CancelReason.values, default=int(CancelReason.OPERATOR))
        parser.add_argument("--by", default="命令行", help="who is kept as having done it")
        parser.add_argument("--dry-run", action="store_true", help="say how many, cancel nothing")
        parser.add_argument("--resume", action="store_true", help="go on with what a killed run left")

    def handle(self, *args: Any, **options: Any) -> None:
        jobs = list(CancelJob.objects.open()) if options["resume"] else [self._job(options)]
        cancelled = sum(self._run(job) for job in jobs if job is not None)
        if jobs != [None]:
            self.stdout.write(f"{cancelled} groups cancelled.")

    def _job(self, options: dict[str, Any]) -> CancelJob | None:
        references = [*options["groups"], *_lines(options["file"]), *_filtered(options)]
        if not references:
            raise CommandError("No group named: give ids or codes, --file, --robot, --user or --star.")
        if options["dry_run"]:
            count = len(set(cancel_jobs.active_ids(references)))
            self.stdout.write(f"{count} groups would be cancelled.")
            return None
        reason = CancelReason(options["reason"])
        return cancel_jobs.request_cancelling(
            references=references, reason=reason, by=options["by"], at=timezone.now()
        )

    def _run(self, job: CancelJob) -> int:
        """Run a job, or wait while a worker runs it. Returns how many groups were cancelled in the meantime."""
        before = job.cancelled_count
        with tqdm(
            total=len(job.references), initial=job.position, desc="cancelling", unit="group", disable=None
        ) as bar:
            claimed: CancelJob | None = None
            while job.finished_at is None:
                claimed = claimed or cancel_jobs.claim_job(job.pk, at=timezone.now())
                if claimed is None:
                    time.sleep(WATCH_EVERY_SECONDS)
                elif not cancel_jobs.run_next_batch(claimed, at=timezone.now()):
                    claimed = None
                job.refresh_from_db(fields=["position", "cancelled_count", "finished_at"])
                bar.update(job.position - bar.n)
        return job.cancelled_count - before


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        # "utf-8-sig" drops a BOM, which would make the first code an unknown one that is skipped.
        text = path.read_text(encoding="utf-8-sig")
        return [line.strip() for line in text.splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} cannot be read: it is not UTF-8.") from error
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error


def _filtered(options: dict[str, Any]) -> list[str]:
    names = {"robot": "robot__code", "user": "user__code", "star": "star"}
    wanted = {column: options[name] for name, column in names.items() if options[name] is not None}
    if not wanted:
        return []
    return [str(pk) for pk in Group.objects.active().filter(**wanted).values_list("pk", flat=True)]
