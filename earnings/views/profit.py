"""Views of the user's income, wallet and withdrawal requests."""

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from accounts.authentication import signed_in, token_user
from config.api import output, reading
from config.api.parsers import MoneyJSONParser
from config.api.permissions import IsUser
from config.api.schema import operation
from config.api.throttles import Throttle
from config.api.views import OperationViews
from config.errors import Code
from config.platform.dates import day_of
from earnings import statements, withdrawals
from earnings.models import LedgerEntry, Withdrawal
from earnings.serializers import (
    IncomeDay,
    Profit,
    Wallet,
    WithdrawalRequest,
)


class ProfitViews(OperationViews[LedgerEntry]):
    """The user's income."""

    permission_classes = (IsUser,)
    confirms_user = ("summary", "slip")

    @operation("用户收益", answer=Profit)
    def summary(self, request: Request) -> Response:
        summary = statements.summary(token_user(request), today=day_of(timezone.now()))
        return Response(output.written_object(Profit, {"summary": summary}))

    @operation(
        "每日收益明细", answer=IncomeDay(many=True), description="最近 15 天，新的在前，每天五类收益，没有的为 0。"
    )
    def slip(self, request: Request) -> Response:
        days = statements.income_by_day(token_user(request), today=day_of(timezone.now()))
        return Response([output.written_object(IncomeDay, day) for day in days])


class WithdrawalViews(OperationViews[Withdrawal]):
    """The user's wallet and withdrawal requests. request_withdrawal itself refuses blocked users (3004)."""

    permission_classes = (IsUser,)
    parser_classes = (MoneyJSONParser,)
    throttle_classes = (Throttle,)
    throttle_scope = "withdraw"
    confirms_user = ("show",)

    def get_throttles(self) -> list[BaseThrottle]:
        return super().get_throttles() if self.action == "create" else []

    @operation("提现页", answer=Wallet, description="有转账等待用户确认时多一个 confirm，交给微信的确认页。")
    def show(self, request: Request) -> Response:
        return Response(output.written_object(Wallet, statements.wallet(token_user(request))))

    @operation(
        "确认提现",
        body=WithdrawalRequest,
        codes=[
            Code.WITHDRAWAL_REFUSED,
            Code.PHONE_MISSING,
            Code.IDENTITY_CARD_MISSING,
            Code.BALANCE_TOO_SMALL,
            Code.ALREADY_WITHDREW_TODAY,
        ],
        description="可选金额 1、20、50、100、200、500 元；1 元仅限首次提现。",
    )
    def create(self, request: Request) -> Response:
        amount = reading.body(request, WithdrawalRequest)["balance"]
        withdrawals.request_withdrawal(user=signed_in(request), amount=amount, at=timezone.now())
        return Response(None)
