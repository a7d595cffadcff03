"""Paying out through WeChat Pay: one number per withdrawal for ever, never guessed, never twice.

A payout is marked SENT before the call leaves. From then on WeChat Pay may know the number, so whatever
happens to us the next step is to ask about that same number, or to send that same number again, to the same
receiver. A refusal ends a payout only once WeChat Pay has also said that it knows no such bill.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.models import User
from config.errors import Conflict
from config.waking import wake
from earnings import pauses, withdrawals
from earnings.models import Payout, Withdrawal
from integrations.http import OutsideError, Refused
from integrations.wechat_pay import BadSignature, BillState, TransferBill, WeChatPay
from robots import outbox
from robots.friendships import latest_robot_of

__all__ = ["BadSignature", "adapter", "cancel_unpaid_of", "decide", "query_next", "send_next", "take_notify"]

logger = logging.getLogger(__name__)

REMARK = "群收益提现"
LEASE = timedelta(minutes=2)  # longer than a call takes
QUIET = timedelta(minutes=5)  # a call that left longer ago than this arrives no more
CONFIRM_WITHIN = timedelta(hours=24)
CANCEL_AFTER = CONFIRM_WITHIN + timedelta(hours=1)  # WeChat Pay ends it by itself first, as a rule
# Bills are told about for 30 days. After that NOT_FOUND says nothing, and sending again could pay twice.
ASK_FOR = timedelta(days=29)
# Seldom and seldomer: WeChat Pay's notify comes first as a rule.
QUERY_AFTER = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 30, 60, 180)]
# Refusals that are about us and would meet every payout: all of them wait until it is put right.
OUR_OWN_TROUBLE = {
    "NOT_ENOUGH": "商户余额不足,充值后自动继续",
    "NO_AUTH": "微信支付说商户没有转账权限,开通后自动继续",
    "SIGN_ERROR": "微信支付不认我们的签名,请检查商户证书,改正后自动继续",
}
NOT_FOUND = "NOT_FOUND"
QUERY_PAYOUTS = "earnings.tasks.query_payouts"
State = Payout.State
_PAID = {BillState.SUCCESS}
_NOT_PAID = {BillState.FAIL, BillState.CANCELLED}


class NotForOperators(Conflict):
    message = "只有超过查询期限、需要人工确认的打款可以人工定结果"


def adapter() -> WeChatPay:
    """WeChat Pay as settings name it; reads the keys once."""
    return WeChatPay.from_settings()


def _claim(states: list[Payout.State], at: datetime) -> Payout | None:
    """Take the longest due payout in one of these states in hand, so that no other worker does."""
    with transaction.atomic():
        due = Payout.objects.filter(state__in=states, due_at__lte=at, ended_at=None, needs_operator_at=None)
        locked = due.order_by("due_at").select_for_update(skip_locked=True, of=("self",))
        payout = locked.select_related("withdrawal__user").first()
        if payout is None:
            return None
        payout.due_at = at + LEASE
        payout.try_count += 1
        if payout.state == State.PREPARED:
            _mark_sent(payout, payout.withdrawal.user, at)
        payout.save()
        return payout


def _mark_sent(payout: Payout, user: User, at: datetime) -> None:
    """From here on WeChat Pay may know the number. An open_id means something in its own app only."""
    payout.state, payout.sent_at, payout.called_at = State.SENT, at, at
    payout.open_id = user.open_id
    payout.app_id = user.app_id if user.app_id in settings.WECHAT_APPS else settings.WECHAT_PAY_APP_ID


def send_next(*, at: datetime, pay: WeChatPay) -> bool:
    """Send one payout that is prepared; false when there is none, or when payouts are paused."""
    if not Payout.objects.filter(state=State.PREPARED, due_at__lte=at).exists() or not pauses.may_send(at=at):
        return False
    payout = _claim([State.PREPARED], at)
    if payout is not None:
        _send(payout, pay, at)
    return payout is not None


def query_next(*, at: datetime, pay: WeChatPay) -> bool:
    """Ask about one payout whose end is not known; false when none is due."""
    payout = _claim([State.SENT, State.WAITING_USER], at)
    if payout is None:
        return False
    if payout.sent_at is not None and at - payout.sent_at > ASK_FOR:
        _leave_to_operators(payout, at)
    else:
        _query(payout, pay, at)
    return True


def _send(payout: Payout, pay: WeChatPay, at: datetime) -> None:
    if not payout.open_id:  # nothing was ever sent under this number, nor will be
        _end_failed(payout, "用户没有绑定微信,无法打款", at)
        return
    try:
        bill = pay.transfer(
            out_bill_no=payout.withdrawal.out_bill_no,
            openid=payout.open_id,
            app_id=payout.app_id,
            amount_fen=fen(payout.withdrawal.amount),
            remark=REMARK,
        )
    except Refused as error:
        _take_refusal(payout, error, pay, at)
    except OutsideError as error:
        _wait(payout, str(error), at)
    else:
        pauses.end_what_provider_caused(at=at)
        take_bill(bill, at=at)


def _take_refusal(payout: Payout, refusal: Refused, pay: WeChatPay, at: datetime) -> None:
    """No bill was made by this call. An earlier one may have made it all the same: only a look tells."""
    if refusal.code in OUR_OWN_TROUBLE:
        _pause(OUR_OWN_TROUBLE[refusal.code], at)
        _wait(payout, OUR_OWN_TROUBLE[refusal.code], at, until=at + pauses.RETRY_EVERY)
        return
    try:
        bill = pay.query(payout.withdrawal.out_bill_no)
    except Refused as error:
        if error.code == NOT_FOUND:
            _end_failed(payout, f"微信支付拒绝:{refusal.code}", at)
        else:
            _wait(payout, str(error), at)
    except OutsideError as error:
        _wait(payout, str(error), at)
    else:
        take_bill(bill, at=at)


def _pause(reason: str, at: datetime) -> None:
    """All payouts wait; said once, not once for each of them."""
    if pauses.open_pause() is None:
        logger.error("Payouts are paused: %s", reason)
        try:
            pauses.pause(by=pauses.BY_PROVIDER, reason=reason, at=at, retry_at=at + pauses.RETRY_EVERY)
        except pauses.AlreadyPaused:
            logger.info("Payouts are paused already")


def _query(payout: Payout, pay: WeChatPay, at: datetime) -> None:
    number = payout.withdrawal.out_bill_no
    try:
        bill = pay.query(number)
        if bill.state == BillState.WAIT_USER_CONFIRM and _is_to_be_cancelled(payout, at):
            bill = pay.cancel(number)
    except Refused as error:
        if error.code == NOT_FOUND:
            _send_again(payout, pay, at)
        else:
            _wait(payout, str(error), at)
    except OutsideError as error:
        _wait(payout, str(error), at)
    else:
        take_bill(bill, at=at)


def _is_to_be_cancelled(payout: Payout, at: datetime) -> bool:
    is_too_late = payout.sent_at is not None and at - payout.sent_at > CANCEL_AFTER
    return is_too_late or payout.cancel_asked_at is not None


def cancel_unpaid_of(user: User, *, at: datetime) -> int:
    """Take back what was sent for a blocked user, as far as WeChat Pay lets us; how many will be asked about at once.

    What is paid by then is paid; what waits for the user is cancelled, and what never arrived is not sent again.
    """
    sent = Payout.objects.filter(withdrawal__user=user, state__in=[State.SENT, State.WAITING_USER], ended_at=None)
    count = sent.filter(cancel_asked_at=None).update(cancel_asked_at=at, due_at=at)
    if count:
        wake(QUERY_PAYOUTS)
    return count


def _send_again(payout: Payout, pay: WeChatPay, at: datetime) -> None:
    """WeChat Pay knows nothing of the number, so the same one is sent, once the last call can arrive no more."""
    if payout.called_at is not None and at - payout.called_at < QUIET:
        _wait(payout, "微信支付还不知道这笔转账", at, until=payout.called_at + QUIET)
    elif payout.cancel_asked_at is not None:
        _end_failed(payout, "账号已被封,打款已撤销", at)
    elif not pauses.may_send(at=at):
        _wait(payout, "打款暂停中", at, until=at + pauses.RETRY_EVERY)
    elif Payout.objects.filter(pk=payout.pk, state=State.SENT, called_at=payout.called_at).update(called_at=at):
        _send(payout, pay, at)


def _wait(payout: Payout, note: str, at: datetime, *, until: datetime | None = None) -> None:
    open_states = [State.SENT, State.WAITING_USER]
    Payout.objects.filter(pk=payout.pk, state__in=open_states).update(
        note=note[:200], due_at=until or at + _pause_before_query(payout)
    )


def _pause_before_query(payout: Payout) -> timedelta:
    return QUERY_AFTER[min(payout.try_count, len(QUERY_AFTER)) - 1]


def _leave_to_operators(payout: Payout, at: datetime) -> None:
    logger.error("Payout %s is too old to be asked about: an operator has to decide", payout.pk)
    note = "超过微信支付 30 天查询期限,请在商户平台核对后人工确认"
    Payout.objects.filter(pk=payout.pk, ended_at=None).update(needs_operator_at=at, note=note)


def decide(withdrawal_id: UUID, *, paid: bool, by: str, reason: str, at: datetime) -> None:
    """An operator looked at the merchant platform and says how an old payout ended. NotForOperators for others."""
    with transaction.atomic():
        payout = _lock(withdrawal_id)
        if payout is None or payout.needs_operator_at is None or payout.ended_at is not None:
            raise NotForOperators
        payout.ended_by = by
        _end(payout, State.SUCCEEDED if paid else State.FAILED, note=reason, provider_state="", at=at)
        if paid:
            withdrawals.mark_paid(payout.withdrawal, at=at, by=by)
        else:
            withdrawals.mark_failed(payout.withdrawal, reason=reason, at=at, by=by)


def _end_failed(payout: Payout, why: str, at: datetime) -> None:
    """There is certainly no bill, and there will be none."""
    with transaction.atomic():
        locked = _lock(payout.pk)
        if locked is not None and locked.ended_at is None:
            _end(locked, State.FAILED, note=why, provider_state="", at=at)
            withdrawals.mark_failed(locked.withdrawal, reason=why, at=at)


def take_bill(bill: TransferBill, *, at: datetime) -> None:
    """Believe what WeChat Pay says about a bill, from an answer, a query or a notify, in any order and number."""
    with transaction.atomic():
        payout = _lock_by_number(bill.out_bill_no)
        if payout is None or payout.ended_at is not None or _is_not_ours(bill, payout, at):
            return
        if bill.state in _PAID:
            _end(payout, State.SUCCEEDED, note="", provider_state=bill.state, at=at)
            withdrawals.mark_paid(payout.withdrawal, at=at)
        elif bill.state in _NOT_PAID:
            _end(payout, State.FAILED, note=bill.fail_reason, provider_state=bill.state, at=at)
            withdrawals.mark_failed(payout.withdrawal, reason=f"微信支付:{bill.fail_reason or bill.state}", at=at)
        else:
            _keep_waiting(payout, bill, at)


def _is_not_ours(bill: TransferBill, payout: Payout, at: datetime) -> bool:
    """Our number, not sent yet or with another amount: no call of ours made that. People have to look."""
    as_sent = payout.state != State.PREPARED and bill.amount_fen in (None, fen(payout.withdrawal.amount))
    if as_sent:
        return False
    logger.critical("Bill %s at WeChat Pay is not as we sent it (%s fen)", bill.out_bill_no, bill.amount_fen)
    note = f"微信支付有一笔我们没有这样提交过的转账({bill.amount_fen} 分),请核对"
    Payout.objects.filter(pk=payout.pk).update(needs_operator_at=at, note=note)
    return True


def _keep_waiting(payout: Payout, bill: TransferBill, at: datetime) -> None:
    if bill.state != payout.provider_state:
        payout.try_count = 1  # it moves: look again soon
    payout.provider_state, payout.due_at = bill.state[:32], at + _pause_before_query(payout)
    if bill.state == BillState.WAIT_USER_CONFIRM:
        payout.state = State.WAITING_USER
        payout.package_info = bill.package_info or payout.package_info
        _remind(payout, at)
    payout.save(update_fields=["provider_state", "due_at", "try_count", "state", "package_info"])


def _remind(payout: Payout, at: datetime) -> None:
    """Once, through the robot added last: the money waits for the user to confirm."""
    user = payout.withdrawal.user
    robot = latest_robot_of(user)
    if robot is not None and user.code:
        words = f"你提现的 {payout.withdrawal.amount} 元已通过审核,请在 24 小时内打开提现页确认收款。"
        outbox.tell_user(
            robot=robot,
            user_code=user.code,
            content=outbox.text(words),
            cause=f"payout:{payout.pk}",
            at=at,
            dedupe_key=f"payout_confirm:{payout.pk}",
        )


def _end(payout: Payout, state: Payout.State, *, note: str, provider_state: str, at: datetime) -> None:
    payout.state, payout.ended_at = state, at
    payout.note, payout.provider_state = note[:200], provider_state[:32]
    payout.save(update_fields=["state", "ended_at", "ended_by", "note", "provider_state"])


def _lock(withdrawal_id: UUID | str) -> Payout | None:
    """Withdrawal first, then its payout: the order in which everybody locks them."""
    withdrawal = Withdrawal.objects.select_for_update().select_related(None).filter(pk=withdrawal_id).first()
    if withdrawal is None:
        return None
    payouts = Payout.objects.select_for_update(of=("self",)).select_related("withdrawal__user")
    return payouts.filter(pk=withdrawal.pk).first()


def _lock_by_number(out_bill_no: str) -> Payout | None:
    is_ours = len(out_bill_no) == 32 and all(digit in "0123456789abcdef" for digit in out_bill_no)
    return _lock(out_bill_no) if is_ours else None


def take_notify(headers: Mapping[str, str], body: bytes, *, at: datetime, pay: WeChatPay | None = None) -> None:
    """WeChat Pay tells how a bill ended; BadSignature when it is not WeChat Pay who tells."""
    take_bill((pay or WeChatPay.from_settings()).read_notify(headers, body), at=at)


def fen(amount: Decimal) -> int:
    """Yuan in fen."""
    return int(amount * 100)
