"""Background work with money."""

import logging

from celery import shared_task
from django.utils import timezone

from earnings import ledger, payouts, settlement

logger = logging.getLogger(__name__)


@shared_task
def send_payouts() -> int:
    return payouts.send_due(at=timezone.now())


@shared_task
def query_payouts() -> int:
    return payouts.query_due(at=timezone.now())


@shared_task
def settle() -> int:
    return len(settlement.settle_missed(at=timezone.now()))


@shared_task
def check_ledger() -> int:
    findings = ledger.check()
    for finding in findings:
        logger.critical("Ledger: %s", finding)
    return len(findings)
