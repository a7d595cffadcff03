"""Reporting problems, the back office's list, and customer service's callback."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in
from config.api import reading
from config.api.paging import BACKOFFICE_PAGE_SIZE, paged
from config.api.parsers import SpreadsheetLabelParser, StrictJSONParser
from config.api.permissions import Anyone, IsNotBlocked, IsUser, needs
from config.api.schema import operation
from config.api.throttles import Throttle
from config.api.views import OperationViews
from config.backoffice.export import XLSX, table_as_xlsx
from config.errors import Code
from config.models import Scope
from feedback import conversations, problems
from feedback.exports import PROBLEM_COLUMNS
from feedback.filters import ProblemFilters
from feedback.models import Conversation, Problem, ProblemCategory
from feedback.serializers import Callback, Category, ListedProblem, NewProblem, ProblemFilter, Signed

SHOWN_WITH = ("user", "category", "robot")  # a problem's row shows their names


class CategoryViews(OperationViews[ProblemCategory]):
    """The categories of problems. Public."""

    authentication_classes: tuple[Any, ...] = ()
    permission_classes: tuple[Any, ...] = (Anyone,)

    @operation("获取问题列表", answer=Category(many=True))
    def list(self, request: Request) -> Response:
        return Response(Category(ProblemCategory.objects.filter(is_shown=True), many=True).data)


class ProblemViews(OperationViews[Problem]):
    """Reports of problems. Signed-in users who are not blocked; limited per day."""

    permission_classes = (IsUser, IsNotBlocked)
    throttle_classes = (Throttle,)
    throttle_scope = "feedback"
    limits: ClassVar = {"create": ("problems_day",)}

    @operation(
        "反馈问题",
        body=NewProblem,
        answer=Category(many=True),
        codes=[Code.NOT_FOUND],
        description="分类的 type 决定必填项：2 机器人，3 机器人和群名，4 无，5 描述。",
    )
    def create(self, request: Request) -> Response:
        params = reading.body(request, NewProblem)
        category = problems.report_problem(
            user=signed_in(request),
            category_id=params["problem_catgory"],
            robot_reference=params.get("robot_id") or "",
            group_name=params.get("group_name") or "",
            description=params.get("description") or "",
            at=timezone.now(),
        )
        return Response(Category([category], many=True).data)


class OwnCategoryViews(OperationViews[ProblemCategory]):
    """The categories of problems at the path that clients in use call. Signed-in users."""

    permission_classes = (IsUser,)

    @operation("获取问题列表（登录）", answer=Category(many=True))
    def list(self, request: Request) -> Response:
        return Response(Category(ProblemCategory.objects.filter(is_shown=True), many=True).data)


def _filtered_problems(request: Request) -> tuple[QuerySet[Problem], dict[str, Any]]:
    """Return the reports that match the filters in the body, newest first, and these filters."""
    filters = reading.filters(request, ProblemFilter)
    return reading.filter_rows(Problem.objects.all(), ProblemFilters, filters).order_by(
        "-reported_at", "pk"
    ), filters


class ProblemListViews(OperationViews[Problem]):
    """The back office's list of problems. Operators and outside systems who may view problems."""

    permission_classes = (needs(Scope.BACKOFFICE_READ, "feedback.view_problem"),)
    max_page_size = BACKOFFICE_PAGE_SIZE

    @operation("后台问题反馈列表", body=ProblemFilter, answer=ListedProblem(many=True), paged=True)
    def list(self, request: Request) -> Response:
        rows, _filters = _filtered_problems(request)
        return paged(
            request,
            rows,
            lambda page: ListedProblem(page.select_related(*SHOWN_WITH), many=True).data,
            max_size=self.max_page_size,
        )


class ProblemExportViews(OperationViews[Problem]):
    """The back office's list of problems as a file. As in the admin, exporting a list needs one more permission."""

    permission_classes = (needs(Scope.BACKOFFICE_READ, "feedback.view_problem", "config.export_lists"),)
    parser_classes = (StrictJSONParser, SpreadsheetLabelParser)
    audits_every_caller = True

    @operation(
        "导出问题反馈",
        body=ProblemFilter,
        media_type=XLSX,
        description="筛选条件与后台问题反馈列表相同，返回全部符合的行（Excel 文件）。写入操作日志。",
    )
    def create(self, request: Request) -> StreamingHttpResponse:
        rows, filters = _filtered_problems(request)
        return table_as_xlsx(rows.select_related(*SHOWN_WITH), PROBLEM_COLUMNS, filters=filters)


class CallbackViews(OperationViews[Conversation]):
    """Callbacks of customer service, which prove themselves by a digest."""

    authentication_classes = ()
    permission_classes = (Anyone,)

    @operation(
        "阿里云客服回调",
        query=Signed,
        body=Callback,
        codes=[Code.UNAUTHENTICATED, Code.CONFLICT],
        description="digest 为 HMAC-SHA1（原始请求体 + timestamp），五分钟内有效，只接受一次。"
        "没有进行中的客服会话、没有这个用户或没有机器人能联系到 TA 时，返回 1200 并忽略；"
        "CONVERSATION_CREATE 会开启会话。",
    )
    def create(self, request: Request) -> Response:
        raw, now = request.body, timezone.now()
        query = request.query_params
        with transaction.atomic():
            conversations.require_digest(
                raw=raw, timestamp=query.get("timestamp", ""), digest=query.get("digest", ""), at=now
            )
            params = reading.body(request, Callback)
            conversations.handle_callback(
                reference=params["userId"], kind=params["msgType"], content=params["content"], at=now
            )
        return Response(None)
