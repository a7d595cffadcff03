"""Comparing our payouts of a day with what WeChat Pay has: its fund-flow bill, and each bill as it stands.

The fund flow shows every transfer that money left for, ours or not, with its amount, on the day on which it left. How a
bill stands is asked bill by bill, which also tells of those for which no money left. Bills are told about for 30 days;
of an older one that we call paid, money must have left about the day on which it ended for us.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import Q

from config.platform.dates import day_of, end_of, start_of
from config.platform.lookups import as_uuid
from earnings.models import Payout
from earnings.payouts.state import fen
from earnings.payouts.worker import QUERY_PERIOD, adapter
from integrations.http import Refused
from integrations.wechat.fund_flow import Flow
from integrations.wechat.pay import NOT_FOUND, BillState, TransferBill, WeChatPay

State = Payout.State
_AGREES: dict[State, set[str | None]] = {
    State.SUCCEEDED: {BillState.SUCCESS},
    State.FAILED: {BillState.FAIL, BillState.CANCELLED, None},
    State.WITHDRAWN: {None},
    State.PREPARED: {None},
}
_ENDS: set[str | None] = {BillState.SUCCESS, BillState.FAIL, BillState.CANCELLED, None}


@dataclass(frozen=True)
class Difference:
    """One number about which the two books do not say the same."""

    out_bill_no: str
    what: str


@dataclass
class Report:
    """What was compared and where the books differ."""

    day: date
    payout_count: int = 0
    flow_count: int = 0
    differences: list[Difference] = field(default_factory=list)


def compare(
    day: date,
    *,
    at: datetime,
    pay: WeChatPay | None = None,
    each: Callable[[list[Payout]], Iterable[Payout]] = iter,
) -> Report:
    """Compare a day. `each` may show how far it is.

    Raises OutsideError when WeChat Pay cannot be asked, Unreadable when its bill cannot be read.
    """
    pay = pay or adapter()
    flows = _Flows(pay)
    left = flows.left_on(day)
    payouts = _payouts_of(day, left)
    report = Report(day, payout_count=len(payouts), flow_count=len(left) + len(flows.unknown[day]))
    report.differences += [
        Difference(
            flow.out_bill_no or "-", f"微信支付账单里有一行不认识的业务：{flow.unknown}（{flow.left_fen} 分）"
        )
        for flow in flows.unknown[day]
    ]
    ours = {payout.withdrawal.out_bill_no for payout in payouts}
    report.differences += [
        Difference(number, f"微信支付有这笔转账({gone} 分),我们没有")
        for number, gone in left.items()
        if number not in ours
    ]
    for payout in each(payouts):
        can_ask = at - (payout.called_at or start_of(day)) < QUERY_PERIOD
        report.differences += _flow_differs(payout, left, can_ask=can_ask)
        if day in flows.missing:
            report.differences += _has_no_statement(payout, day)
        if can_ask:
            report.differences += _bill_differs(payout, _bill(pay, payout))
        elif payout.state == State.SUCCEEDED and payout.withdrawal.out_bill_no not in left:
            report.differences += _missing_in_fund_flow(payout, day, flows)
    return report


@dataclass
class _Flows:
    """The fund flows of days, each fetched once."""

    pay: WeChatPay
    days: dict[date, dict[str, int]] = field(default_factory=dict)
    unknown: dict[date, list[Flow]] = field(default_factory=dict)
    missing: set[date] = field(default_factory=set)  # WeChat Pay has no bill of the day

    def left_on(self, day: date) -> dict[str, int]:
        """What left for each number that day, in fen, less what came back."""
        if day not in self.days:
            flows = self.pay.fund_flow(day)
            if flows is None:
                self.missing.add(day)
            left: dict[str, int] = {}
            for flow in flows or []:
                if not flow.unknown:
                    left[flow.out_bill_no] = left.get(flow.out_bill_no, 0) + flow.left_fen
            self.days[day], self.unknown[day] = left, [flow for flow in flows or [] if flow.unknown]
        return self.days[day]


def _has_no_statement(payout: Payout, day: date) -> list[Difference]:
    """Return a difference for a payout that, by our books, was called and paid that day: such a day has a bill."""
    if payout.state != State.SUCCEEDED or payout.called_at is None or payout.ended_at is None or payout.ended_by:
        return []
    if day_of(payout.called_at) != day or day_of(payout.ended_at) != day:
        return []
    return [Difference(payout.withdrawal.out_bill_no, "我们这一天记为成功，微信支付没有这一天的账单")]


def _missing_in_fund_flow(payout: Payout, day: date, flows: _Flows) -> list[Difference]:
    """Paid, we say, and ended that day: money left then, or on a day next to it, since we learn of it later.

    What an operator decided weeks later left about the day of the call.
    """
    if payout.ended_at is None or payout.called_at is None or day_of(payout.ended_at) != day:
        return []
    about = day_of(payout.called_at if payout.ended_by else payout.ended_at)
    number = payout.withdrawal.out_bill_no
    if any(flows.left_on(about + timedelta(days=away)).get(number) for away in (0, -1, 1)):
        return []
    return [Difference(number, "我们记为成功,微信支付账单里没有")]


def _payouts_of(day: date, left: dict[str, int]) -> list[Payout]:
    """Ours that were sent or ended that day, and those that the fund flow names."""
    that_day = (start_of(day), end_of(day))
    named = [found for number in left if (found := as_uuid(number)) and found.hex == number]
    wanted = Q(sent_at__range=that_day) | Q(ended_at__range=that_day) | Q(pk__in=named)
    return list(Payout.objects.filter(wanted).select_related("withdrawal").order_by("created_at", "pk"))


def _bill(pay: WeChatPay, payout: Payout) -> TransferBill | None:
    """How it stands at WeChat Pay; None when it has no such bill."""
    try:
        return pay.query(payout.withdrawal.out_bill_no)
    except Refused as error:
        if error.code == NOT_FOUND:
            return None
        raise


def _flow_differs(payout: Payout, left: dict[str, int], *, can_ask: bool) -> list[Difference]:
    number, amount = payout.withdrawal.out_bill_no, fen(payout.withdrawal.amount)
    told = left.get(number)
    if told and told != amount:
        return [Difference(number, f"金额不同:微信支付 {told} 分,我们 {amount} 分")]
    is_unpaid = payout.state in (State.FAILED, State.WITHDRAWN, State.PREPARED)
    if told and (is_unpaid or (not can_ask and payout.state != State.SUCCEEDED)):
        return [Difference(number, f"微信支付已付出 {told} 分,我们是“{payout.get_state_display()}”")]
    return []


def _bill_differs(payout: Payout, bill: TransferBill | None) -> list[Difference]:
    number, amount = payout.withdrawal.out_bill_no, fen(payout.withdrawal.amount)
    if bill is not None and bill.amount_fen not in (None, amount):
        return [Difference(number, f"金额不同:微信支付 {bill.amount_fen} 分,我们 {amount} 分")]
    told = bill.state if bill else None
    state = State(payout.state)
    agrees = told in _AGREES[state] if state in _AGREES else told not in _ENDS
    if agrees:
        return []
    return [Difference(number, f"状态不同:微信支付 {told or '没有这笔转账'},我们“{payout.get_state_display()}”")]
