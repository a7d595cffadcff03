"""View of the BI system's reports of article reads."""

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import reading
from config.api.actors import actor
from config.api.parsers import MoneyJSONParser
from config.api.permissions import needs
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code
from config.models import Scope
from earnings import article_reads
from earnings.models import ArticleReadDay
from earnings.serializers import (
    ReadsReport,
    ReadsSettled,
)


class ReadsViews(OperationViews[ArticleReadDay]):
    """Reports of the income from article reads."""

    permission_classes = (needs(Scope.SETTLEMENT_WRITE, "earnings.add_articlereadday"),)
    parser_classes = (MoneyJSONParser,)

    @operation(
        "文章阅读收益结算",
        body=ReadsReport,
        answer=ReadsSettled,
        codes=[Code.CONFLICT],
        description="每天一次，整批生效或整批不生效；未知的群和被封用户的群在 data 里列出，不计收益。",
    )
    def create(self, request: Request) -> Response:
        report = reading.body(request, ReadsReport)
        result = article_reads.settle_reads(
            day=report["settle_date"], amounts=report["data"], by=actor(request), at=timezone.now()
        )
        return Response(ReadsSettled(result).data)
