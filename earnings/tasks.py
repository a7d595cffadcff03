"""Background work with money."""

import logging

from celery import shared_task
from django.utils import timezone

from earnings import ledger, payouts, settlement

logger = logging.getLogger(__name__)


@shared_task
def send_payouts() -> int:
    """Send what is prepared; how many. The clock is read for each: a long sweep must not shorten the leases."""
    pay, count = payouts.adapter(), 0
    while payouts.send_next(at=timezone.now(), pay=pay):
        count += 1
    return count


@shared_task
def query_payouts() -> int:
    """Ask about what has no known end; how many."""
    pay, count = payouts.adapter(), 0
    while payouts.query_next(at=timezone.now(), pay=pay):
        count += 1
    return count


@shared_task
def settle() -> int:
    return len(settlement.settle_missed(at=timezone.now()))


@shared_task
def check_ledger() -> int:
    findings = ledger.check_and_keep(at=timezone.now())
    for finding in findings:
        logger.critical("Ledger: %s", finding)
    return len(findings)
