"""Celery tasks of payouts, settlement and the ledger check."""

import logging
from collections.abc import Callable
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from config.platform.sweeps import SingleRun, sweep
from earnings import ledger_check, settlement
from earnings.payouts import worker
from integrations.http import OutsideError

logger = logging.getLogger(__name__)
# Longer than one payout takes with the default WECHAT_PAY_TIMEOUT. With a longer one two processes may run a sweep at once.
STEP_LEASE = timedelta(minutes=1)


@shared_task
@sweep
def send_payouts() -> int:
    """Send all prepared payouts. Returns their number."""
    return _sweep("send_payouts", worker.send_next)


@shared_task
@sweep
def query_payouts() -> int:
    """Query all open payouts that are due. Returns their number."""
    return _sweep("query_payouts", worker.query_next)


def _sweep(name: str, do_next: Callable[..., bool]) -> int:
    """Process payouts one by one until none is due or WeChat Pay is unavailable. Returns the number processed.

    Only one process runs a sweep at a time, so a slow WeChat Pay occupies one worker, whatever the backlog. The clock is read
    for each payout, because a long sweep must not shorten the leases.
    """
    run, client, count = SingleRun(name, STEP_LEASE), worker.wechat_pay_client(), 0
    try:
        while run.may_continue(at := timezone.now()) and do_next(at=at, client=client):
            count += 1
    except OutsideError as error:
        logger.warning("Payouts: the rest waits for the next sweep: %s", error)
    finally:
        run.end()
    return count


@shared_task
@sweep
def settle() -> int:
    """Settle all missed days. Returns their number."""
    return len(settlement.settle_missed(at=timezone.now()))


@shared_task
def check_ledger() -> int:
    """Check the ledger and log each finding as critical. Returns the number of findings."""
    findings = ledger_check.check_and_record(at=timezone.now())
    for finding in findings:
        logger.critical("Ledger: %s", finding)
    return len(findings)
