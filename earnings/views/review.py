"""Views of withdrawals for the old back-office client: list, export, review."""

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import reading
from config.api.actors import actor
from config.api.paging import BACKOFFICE_PAGE_SIZE, paged
from config.api.parsers import MoneyJSONParser, SpreadsheetLabelParser
from config.api.permissions import needs
from config.api.renderer import Answer
from config.api.schema import operation
from config.api.views import OperationViews
from config.backoffice.export import XLSX, table_as_xlsx
from config.errors import Code
from config.models import Scope
from earnings import reviews
from earnings.exports import WITHDRAWAL_COLUMNS
from earnings.filters import WithdrawalFilters
from earnings.models import Withdrawal
from earnings.serializers import (
    ListedWithdrawal,
    Review,
    ReviewResult,
    WithdrawalFilter,
)


def _filtered_withdrawals(request: Request) -> tuple[QuerySet[Withdrawal], dict[str, Any]]:
    """Return the withdrawals that match the filters of the body, in its order, and the filters themselves."""
    filters = reading.filters(request, WithdrawalFilter)
    sort = filters.pop("sort", {"sort_key": "create_date", "value": "desc"})
    rows = reading.filter_rows(Withdrawal.objects.all(), WithdrawalFilters, filters)
    return rows.sorted_by(sort["sort_key"], descending=sort["value"] == "desc"), filters


class WithdrawalListViews(OperationViews[Withdrawal]):
    """The list of withdrawals."""

    permission_classes = (needs(Scope.BACKOFFICE_READ, "earnings.view_withdrawal"),)
    parser_classes = (MoneyJSONParser,)
    max_page_size = BACKOFFICE_PAGE_SIZE

    @operation("提现列表", body=WithdrawalFilter, answer=ListedWithdrawal(many=True), paged=True)
    def list(self, request: Request) -> Response:
        rows, _filters = _filtered_withdrawals(request)
        return paged(
            request,
            rows,
            lambda page: ListedWithdrawal(page.select_related("user"), many=True).data,
            max_size=self.max_page_size,
        )


class WithdrawalExportViews(OperationViews[Withdrawal]):
    """The list of withdrawals as a file. An export needs an additional permission, as in the admin."""

    permission_classes = (
        needs(Scope.BACKOFFICE_READ, "earnings.view_withdrawal", "config.export_lists", "earnings.export_money"),
    )
    parser_classes = (MoneyJSONParser, SpreadsheetLabelParser)
    audits_every_caller = True

    @operation(
        "导出提现列表",
        body=WithdrawalFilter,
        media_type=XLSX,
        description="筛选条件与提现列表相同，返回全部符合的行（Excel 文件）。写入操作日志。",
    )
    def create(self, request: Request) -> StreamingHttpResponse:
        rows, filters = _filtered_withdrawals(request)
        return table_as_xlsx(rows.select_related("user"), WITHDRAWAL_COLUMNS, filters=filters)


class WithdrawalReviewViews(OperationViews[Withdrawal]):
    """Approval and rejection under the admin's rules. A key counts as one operator, by its name."""

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
        body = reading.body(request, Review)
        result = reviews.review(
            body["withdraw_id"],
            approves=body["status"] == Review.APPROVE,
            reason=body["reason"],
            by=actor(request),
            at=timezone.now(),
        )
        code = Code.OK if result.decided_count else Code.CONFLICT  # the old client takes 1200 for a decision
        return Response(Answer(ReviewResult(result).data, description=str(result), code=code))
