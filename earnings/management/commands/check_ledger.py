"""`manage.py check_ledger`: check every invariant of the ledger and print the violations."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from earnings import ledger_check


class Command(BaseCommand):
    help = "Check every invariant of the ledger; exits with 1 when one fails."

    def handle(self, *args: Any, **options: Any) -> None:
        findings = ledger_check.check_and_record(at=timezone.now())
        for finding in findings:
            self.stderr.write(finding)
        if findings:
            raise CommandError(f"{len(findings)} findings: do not pay out before they are understood.")
        self.stdout.write(
            "The ledger is in order: every transaction balances and every total follows from its entries."
        )
