"""`manage.py reconcile_payouts --date`: compare the payouts of a day with WeChat Pay's fund flow and bills."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from config.platform.dates import day_named
from earnings.payouts import reconciliation
from integrations.http import OutsideError
from integrations.wechat.fund_flow import Unreadable

COULD_NOT_COMPARE = 2


class Command(BaseCommand):
    help = (
        "Compare the payouts of one day (Shanghai time) with WeChat Pay's bills and list every difference. "
        "Exits with 1 when there are differences, with 2 when WeChat Pay or its bill cannot be read. "
        "Changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--date", required=True, type=day_named, help="YYYY-MM-DD or 'yesterday'")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = reconciliation.compare(
                options["date"],
                at=timezone.now(),
                each=lambda payouts: tqdm(payouts, disable=None, unit="payout", file=self.stderr),
            )
        except Unreadable as error:
            message = f"WeChat Pay's bill of {options['date']} cannot be read: {error.why}"
            raise CommandError(message, returncode=COULD_NOT_COMPARE) from error
        except OutsideError as error:
            raise CommandError(f"WeChat Pay could not be asked: {error}", returncode=COULD_NOT_COMPARE) from error
        for difference in report.differences:
            self.stdout.write(f"  {difference.out_bill_no}: {difference.description}")
        summary = f"{report.day}: {report.payout_count} payouts, {report.flow_count} lines of WeChat Pay's bill"
        if report.differences:
            raise CommandError(f"{summary}, {len(report.differences)} differences.")
        self.stdout.write(f"{summary}, no difference.")
