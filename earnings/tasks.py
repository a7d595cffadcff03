"""Celery tasks of payouts, settlement and the ledger check."""

import logging
from collections.abc import Callable

from celery import shared_task
from django.utils import timezone

from config.platform import db
from config.platform.sweeps import sweep
from earnings import ledger_check, settlement
from earnings.payouts import worker
from integrations.http import OutsideError

logger = logging.getLogger(__name__)
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext(%s))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext(%s))"


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

    Only one worker runs a sweep at a time, so a slow WeChat Pay occupies one worker, whatever the backlog. The lock
    belongs to the connection and is released when a worker is killed. The clock is read for each payout, because a long
    sweep must not shorten the leases.
    """
    [(is_locked,)] = db.rows(_TRY_LOCK, [name])
    if not is_locked:
        return 0
    try:
        return _process_all_due(do_next)
    finally:
        db.execute(_UNLOCK, [name])


def _process_all_due(do_next: Callable[..., bool]) -> int:
    client, count = worker.wechat_pay_client(), 0
    try:
        while do_next(at=timezone.now(), client=client):
            count += 1
    except OutsideError as error:
        logger.warning("Payouts: the rest waits for the next sweep: %s", error)
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
