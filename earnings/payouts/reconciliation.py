"""Reconciliation of a day's payouts with WeChat Pay: its fund flow, and the state of each transfer bill.

The fund flow, WeChat Pay's statement of a day, lists every transfer that was paid, with its amount, on the day on which the
money left. Transfer bills are queried one by one, which also covers unpaid transfers. WeChat Pay answers such queries for 30
days; a payout older than that and paid by our records must appear in the fund flow near the day on which it ended.

The functions that compare one payout return their findings as a list of differences, empty when the records agree.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import Q

from config.platform.dates import day_of, end_of, start_of
from config.platform.lookups import as_uuid
from earnings.models import Payout, PayoutState
from earnings.payouts.worker import QUERY_PERIOD, wechat_pay_client
from integrations.http import Refused
from integrations.wechat.fund_flow import Flow
from integrations.wechat.pay import NOT_FOUND, BillState, TransferBill, WeChatPay

NO_BILL = ""  # in place of a bill's state
_FINAL_STATES: set[str] = {BillState.SUCCESS, BillState.FAIL, BillState.CANCELLED, NO_BILL}
# The states that the bill of an ended or unsent payout may have. The bill of any other payout may have every state, also
# one that is newer than BillState, but those of _FINAL_STATES.
_STATES_OF_BILL: dict[PayoutState, set[str]] = {
    PayoutState.SUCCEEDED: {BillState.SUCCESS},
    PayoutState.FAILED: {BillState.FAIL, BillState.CANCELLED, NO_BILL},
    PayoutState.REVOKED: {NO_BILL},
    PayoutState.PREPARED: {NO_BILL},
}
_UNPAID = (PayoutState.FAILED, PayoutState.REVOKED, PayoutState.PREPARED)


@dataclass(frozen=True)
class Difference:
    """A difference between our records and WeChat Pay's about one `out_bill_no`, described for operators."""

    out_bill_no: str
    description: str


@dataclass
class Report:
    """The result of a reconciliation: the number of rows compared and the differences."""

    day: date
    payout_count: int = 0
    flow_count: int = 0
    differences: list[Difference] = field(default_factory=list)


def compare(
    day: date,
    *,
    at: datetime,
    client: WeChatPay | None = None,
    each: Callable[[list[Payout]], Iterable[Payout]] = iter,
) -> Report:
    """Compare the payouts of a day. `each` may wrap the iteration to show progress.

    Raises OutsideError when WeChat Pay cannot be reached, Unreadable when its bill cannot be read.
    """
    client = client or wechat_pay_client()
    flows = _Flows(client)
    outflows = flows.outflows_on(day)
    payouts = _payouts_of(day, outflows)
    report = Report(day, payout_count=len(payouts), flow_count=len(outflows) + len(flows.unknown[day]))
    report.differences += [
        Difference(
            flow.out_bill_no or "-", f"微信支付账单里有一行不认识的业务：{flow.unknown}（{flow.outflow_fen} 分）"
        )
        for flow in flows.unknown[day]
    ]
    ours = {payout.withdrawal.out_bill_no for payout in payouts}
    report.differences += [
        Difference(number, f"微信支付有这笔转账（{amount} 分），我们没有")
        for number, amount in outflows.items()
        if number not in ours
    ]
    for payout in each(payouts):
        can_query = at - (payout.called_at or start_of(day)) < QUERY_PERIOD
        report.differences += _compare_with_fund_flow(payout, outflows, can_query=can_query)
        if day in flows.missing:
            report.differences += _require_fund_flow(payout, day)
        if can_query:
            report.differences += _compare_with_bill(payout, _bill(client, payout))
        elif payout.state == PayoutState.SUCCEEDED and payout.withdrawal.out_bill_no not in outflows:
            report.differences += _search_adjacent_days(payout, day, flows)
    return report


@dataclass
class _Flows:
    """A cache of fund flows by day."""

    client: WeChatPay
    days: dict[date, dict[str, int]] = field(default_factory=dict)
    unknown: dict[date, list[Flow]] = field(default_factory=dict)
    missing: set[date] = field(default_factory=set)  # WeChat Pay has no file of the day

    def outflows_on(self, day: date) -> dict[str, int]:
        """Return {out_bill_no: fen} of the money that left that day, minus returned transfers."""
        if day not in self.days:
            flows = self.client.fund_flow(day)
            if flows is None:
                self.missing.add(day)
            outflows: dict[str, int] = {}
            for flow in flows or []:
                if not flow.unknown:
                    outflows[flow.out_bill_no] = outflows.get(flow.out_bill_no, 0) + flow.outflow_fen
            self.days[day], self.unknown[day] = outflows, [flow for flow in flows or [] if flow.unknown]
        return self.days[day]


def _require_fund_flow(payout: Payout, day: date) -> list[Difference]:
    """Return a difference for a payout that was sent and paid that day by our records: such a day must have a fund flow."""
    if (
        payout.state != PayoutState.SUCCEEDED
        or payout.called_at is None
        or payout.finished_at is None
        or payout.finished_by
    ):
        return []
    if day_of(payout.called_at) != day or day_of(payout.finished_at) != day:
        return []
    return [Difference(payout.withdrawal.out_bill_no, "我们这一天记为成功，微信支付没有这一天的账单")]


def _search_adjacent_days(payout: Payout, day: date, flows: _Flows) -> list[Difference]:
    """Return a difference for a payout that ended that day as paid without a payment on that or an adjacent day.

    We may learn of a payment after midnight. For an operator's later decision the day of the call counts.
    """
    if payout.finished_at is None or payout.called_at is None or day_of(payout.finished_at) != day:
        return []
    expected = day_of(payout.called_at if payout.finished_by else payout.finished_at)
    number = payout.withdrawal.out_bill_no
    if any(flows.outflows_on(expected + timedelta(days=offset)).get(number) for offset in (0, -1, 1)):
        return []
    return [Difference(number, "我们记为成功，微信支付账单里没有")]


def _payouts_of(day: date, outflows: dict[str, int]) -> list[Payout]:
    """Return our payouts that were sent or ended that day, and those in the fund flow."""
    that_day = (start_of(day), end_of(day))
    in_flow = [pk for number in outflows if (pk := as_uuid(number)) and pk.hex == number]
    condition = Q(sent_at__range=that_day) | Q(finished_at__range=that_day) | Q(pk__in=in_flow)
    return list(Payout.objects.filter(condition).select_related("withdrawal").order_by("created_at", "pk"))


def _bill(client: WeChatPay, payout: Payout) -> TransferBill | None:
    """Return the transfer bill at WeChat Pay, or None when it has no such bill."""
    try:
        return client.query(payout.withdrawal.out_bill_no)
    except Refused as error:
        if error.code == NOT_FOUND:
            return None
        raise


def _compare_with_fund_flow(payout: Payout, outflows: dict[str, int], *, can_query: bool) -> list[Difference]:
    number, amount = payout.withdrawal.out_bill_no, payout.withdrawal.amount_fen
    paid = outflows.get(number)
    if paid and paid != amount:
        return [Difference(number, f"金额不同：微信支付 {paid} 分，我们 {amount} 分")]
    if paid and (payout.state in _UNPAID or (not can_query and payout.state != PayoutState.SUCCEEDED)):
        return [Difference(number, f"微信支付已付出 {paid} 分，我们是“{payout.get_state_display()}”")]
    return []


def _compare_with_bill(payout: Payout, bill: TransferBill | None) -> list[Difference]:
    number, amount = payout.withdrawal.out_bill_no, payout.withdrawal.amount_fen
    if bill is not None and bill.amount_fen not in (None, amount):
        return [Difference(number, f"金额不同：微信支付 {bill.amount_fen} 分，我们 {amount} 分")]
    reported = bill.state if bill else NO_BILL
    state = PayoutState(payout.state)
    agrees = reported in _STATES_OF_BILL[state] if state in _STATES_OF_BILL else reported not in _FINAL_STATES
    if agrees:
        return []
    return [
        Difference(number, f"状态不同：微信支付 {reported or '没有这笔转账'}，我们“{payout.get_state_display()}”")
    ]
