"""Completing a profile, profit, withdrawals, and what WeChat Pay tells."""

import logging
from typing import Any, ClassVar

from django.conf import settings
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from accounts.authentication import signed_in
from accounts.models import User
from accounts.throttles import ProofThrottle
from accounts.wechat_proof import require_proof
from config.api import reading
from config.api.actors import actor
from config.api.authentication import PROOF_AUTHENTICATION
from config.api.paging import BACKOFFICE_PAGE_SIZE, paged
from config.api.parsers import MoneyJSONParser, SpreadsheetLabelParser
from config.api.permissions import Anyone, IsNotBlocked, IsUser, needs
from config.api.renderer import Answer
from config.api.schema import operation
from config.api.throttles import Throttle
from config.api.views import OperationViews
from config.backoffice.export import XLSX, table_as_xlsx
from config.errors import Code
from config.models import Scope
from config.platform.dates import day_of
from earnings import article_reads, red_packets, reviews, statements, withdrawals
from earnings.exports import WITHDRAWAL_COLUMNS
from earnings.models import ArticleReadDay, LedgerEntry, Payout, Withdrawal
from earnings.onboarding import onboard
from earnings.payouts import worker
from earnings.serializers import (
    ListedWithdrawal,
    Profile,
    Profit,
    ReadsReport,
    ReadsSettled,
    ReceivedRedPacket,
    RedPacket,
    Review,
    ReviewResult,
    SlipDay,
    Wallet,
    WithdrawalFilter,
    WithdrawalRequest,
)

logger = logging.getLogger(__name__)


class OnboardingViews(OperationViews[User]):
    """A user whom a robot met completes the profile; WeChat vouches for them, and the robot's link for the user."""

    authentication_classes = PROOF_AUTHENTICATION
    permission_classes = (Anyone,)
    throttle_classes = (ProofThrottle,)
    proof_needed = True

    @operation(
        "补全用户信息",
        body=Profile,
        answer=RedPacket,
        codes=[Code.UNAUTHENTICATED, Code.NOT_FOUND, Code.CONFLICT, Code.PROFILE_ALREADY_COMPLETED],
        description="绑定微信账号，发放新人红包，余额足够时收取领养费。需要微信授权证明，open_id 与 appid 以证明为准；"
        "此时 user_id 只能是机器人私信链接里的 userId（补全密钥，三十天有效）。"
        "带 auth:issue 密钥或在开放模式下，user_id 也可以是用户编号。",
    )
    def update(self, request: Request, reference: str) -> Response:
        given = reading.body(request, Profile)
        proof = require_proof(request, given["union_id"])
        amount = onboard(
            reference,
            union_id=given["union_id"],
            open_id=proof.open_id if proof else given["open_id"],
            app_id=proof.app_id if proof else given["appid"],
            nickname=given["nick_name"],
            avatar_url=given["head_url"],
            by_key_only=proof is not None and settings.ENFORCE_AUTH,
            at=timezone.now(),
        )
        return Response(RedPacket({"red_packed": amount}).data)


class RedPacketViews(OperationViews[LedgerEntry]):
    """The newcomer's red packet, for clients that ask for it apart from the completion."""

    permission_classes = (IsUser, IsNotBlocked)
    writing_reads = ("receive",)

    @operation("红包是否已领", answer=serializers.BooleanField(), description="用户拆开红包之后为 true。")
    def is_opened(self, request: Request) -> Response:
        return Response(red_packets.is_opened(signed_in(request)))

    @operation(
        "领取红包",
        answer=ReceivedRedPacket,
        description="拆开红包，返回已发放的金额；补全资料时没有发放的在此发放，终身一次。",
    )
    def receive(self, request: Request) -> Response:
        amount = red_packets.open_red_packet(signed_in(request), at=timezone.now())
        return Response(ReceivedRedPacket({"red_packet": amount}).data)


class ProfitViews(OperationViews[LedgerEntry]):
    """What the user earned."""

    permission_classes = (IsUser,)

    @operation("用户收益", answer=Profit)
    def summary(self, request: Request) -> Response:
        today = day_of(timezone.now())
        return Response(Profit({"summary": statements.summary(signed_in(request), today=today)}).data)

    @operation(
        "每日收益明细", answer=SlipDay(many=True), description="最近 15 天,新的在前,每天五类收益,没有的为 0。"
    )
    def slip(self, request: Request) -> Response:
        days = statements.slip(signed_in(request), today=day_of(timezone.now()))
        return Response(SlipDay(days, many=True).data)


class WithdrawalViews(OperationViews[Withdrawal]):
    """The user's money, and asking for it. A blocked user is told so by the rule itself (3004)."""

    permission_classes = (IsUser,)
    parser_classes = (MoneyJSONParser,)
    throttle_classes = (Throttle,)
    throttle_scope = "withdraw"

    def get_throttles(self) -> list[BaseThrottle]:
        return super().get_throttles() if self.action == "create" else []

    @operation("提现页", answer=Wallet, description="有转账等待用户确认时多一个 confirm,交给微信的确认页。")
    def show(self, request: Request) -> Response:
        return Response(Wallet(statements.wallet(signed_in(request))).data)

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
        description="可选金额 1、20、50、100、200、500 元;1 元仅限首次提现。",
    )
    def create(self, request: Request) -> Response:
        amount = reading.body(request, WithdrawalRequest)["balance"]
        withdrawals.request_withdrawal(user=signed_in(request), amount=amount, at=timezone.now())
        return Response(None)


class ReadsViews(OperationViews[ArticleReadDay]):
    """The BI system reports what article reads earned."""

    permission_classes = (needs(Scope.SETTLEMENT_WRITE, "earnings.add_articlereadday"),)
    parser_classes = (MoneyJSONParser,)

    @operation(
        "文章阅读收益结算",
        body=ReadsReport,
        answer=ReadsSettled,
        codes=[Code.CONFLICT],
        description="每天一次,整批生效或整批不生效;未知的群和被封用户的群在 data 里列出,不计收益。",
    )
    def create(self, request: Request) -> Response:
        report = reading.body(request, ReadsReport)
        settled = article_reads.settle_reads(
            day=report["settle_date"], amounts=report["data"], by=actor(request), at=timezone.now()
        )
        return Response(ReadsSettled(settled).data)


def _wanted_withdrawals(request: Request) -> tuple[QuerySet[Withdrawal], dict[str, Any]]:
    """Return the withdrawals that the body's filters want, in the order that it asks for; and these filters."""
    wanted = reading.filters(request, WithdrawalFilter)
    sort = wanted.pop("sort", {"sort_key": "create_date", "value": "desc"})
    rows = Withdrawal.objects.select_related("user").matching(wanted)
    return rows.sorted_by(sort["sort_key"], descending=sort["value"] == "desc"), wanted


class WithdrawalListViews(OperationViews[Withdrawal]):
    """The back office's list."""

    permission_classes = (needs(Scope.BACKOFFICE_READ, "earnings.view_withdrawal"),)
    parser_classes = (MoneyJSONParser,)
    max_page_size = BACKOFFICE_PAGE_SIZE

    @operation("提现列表", body=WithdrawalFilter, answer=ListedWithdrawal(many=True), paged=True)
    def list(self, request: Request) -> Response:
        rows, _filters = _wanted_withdrawals(request)
        return paged(
            request, rows, lambda page: ListedWithdrawal(page, many=True).data, max_size=self.max_page_size
        )


class WithdrawalExportViews(OperationViews[Withdrawal]):
    """The back office's list as a file. Taking a list away needs more than seeing it, as in the admin."""

    permission_classes = (needs(Scope.BACKOFFICE_READ, "earnings.view_withdrawal", "config.export_lists"),)
    parser_classes = (MoneyJSONParser, SpreadsheetLabelParser)
    audits_every_caller = True

    @operation(
        "导出提现列表",
        body=WithdrawalFilter,
        media_type=XLSX,
        description="筛选条件与提现列表相同，返回全部符合的行（Excel 文件）。写入操作日志。",
    )
    def create(self, request: Request) -> StreamingHttpResponse:
        rows, filters = _wanted_withdrawals(request)
        return table_as_xlsx(rows, WITHDRAWAL_COLUMNS, filters=filters)


class WithdrawalReviewViews(OperationViews[Withdrawal]):
    """Approving and rejecting, under the admin's rules: a key counts as one operator, by its name."""

    permission_classes = (needs(Scope.WITHDRAWALS_REVIEW, "earnings.review_withdrawal"),)
    audits_every_caller = True

    @operation(
        "审核提现",
        body=Review,
        answer=ReviewResult,
        codes=[Code.CONFLICT],
        description="一次最多 500 笔。已审核过的和不存在的会跳过，全部跳过时返回 1409，重复调用不会重复打款或退款。"
        "超过收益规则中金额的，需由两名不同的操作人先后通过，同一个接口密钥算一名。写入操作日志。",
    )
    def create(self, request: Request) -> Response:
        given = reading.body(request, Review)
        done = reviews.review(
            given["withdraw_id"],
            approves=given["status"] == Review.APPROVE,
            reason=given["reason"],
            by=actor(request),
            at=timezone.now(),
        )
        code = Code.OK if done.decided_count else Code.CONFLICT  # the old client takes 1200 for a decision
        return Response(Answer(ReviewResult(done).data, description=str(done), code=code))


class PayNotifyViews(OperationViews[Payout]):
    """WeChat Pay tells how a transfer ended. Its signature is its credential."""

    authentication_classes = ()
    permission_classes = (Anyone,)
    # WeChat Pay comes again, for a day, after any status but 2xx.
    own_statuses: ClassVar = {"401": Code.UNAUTHENTICATED, "400": Code.BAD_REQUEST}

    @operation(
        "微信支付转账结果通知",
        codes=[Code.UNAUTHENTICATED, Code.BAD_REQUEST],
        description="由微信支付调用：签名有效即处理，重复通知无影响；签名无效时 HTTP 401，签名有效但不是转账通知或内容无法识别时"
        " HTTP 400，微信会再次通知。",
    )
    def create(self, request: Request) -> Response:
        try:
            worker.take_notify(request.headers, request.body, at=timezone.now())
        except worker.BadSignature:
            refusal = Answer(None, {}, "签名无效", Code.UNAUTHENTICATED)
            return Response(refusal, status=status.HTTP_401_UNAUTHORIZED)
        except worker.UnusableNotify as error:
            logger.error("WeChat Pay signed a notify that cannot be used: %s", error.why)
            refusal = Answer(None, {}, error.why, Code.BAD_REQUEST)
            return Response(refusal, status=status.HTTP_400_BAD_REQUEST)
        return Response(None)
