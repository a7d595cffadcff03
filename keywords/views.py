"""The user's keywords."""

from collections.abc import Sequence
from typing import ClassVar

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in, token_user
from config.api import output, reading
from config.api.permissions import IsNotBlocked, IsUser
from config.api.schema import operation
from config.api.throttles import count_made
from config.api.views import OperationViews
from config.errors import Code
from keywords import batches
from keywords.models import KeywordBatch
from keywords.serializers import BatchDetail, BatchNamed, ChangedBatch, ListedBatch, NewBatch


def _count_keywords(request: Request, keywords: Sequence[str]) -> None:
    """Count the keywords that a user writes in a day. Raises TooManyRequests."""
    count_made("keyword_words_day", str(signed_in(request).pk), amount=len(keywords))


class KeywordViews(OperationViews[KeywordBatch]):
    """Batches of keywords with one reply. Signed-in users who are not blocked; an unknown id is a bad parameter (1403)."""

    permission_classes = (IsUser, IsNotBlocked)
    confirms_user = ("list",)
    limits: ClassVar = {"create": ("moderated", "keyword_batches_day"), "update": ("moderated",)}

    @operation("查询关键字列表", answer=ListedBatch(many=True))
    def list(self, request: Request) -> Response:
        rows = batches.listed_batches.rows(token_user(request))
        return Response(output.written(ListedBatch, batches.listed_batches.columns, rows))

    @operation("新增关键字", body=NewBatch, answer=serializers.CharField(), codes=[Code.SENSITIVE_WORD])
    def create(self, request: Request) -> Response:
        params = reading.body(request, NewBatch)
        _count_keywords(request, params["keywords"])
        batches.create_batch(
            user=signed_in(request),
            group_codes=params["group_codes"],
            keywords=params["keywords"],
            reply=params["reply_content"],
            at=timezone.now(),
        )
        return Response("SUCCESS")

    @operation(
        "修改关键字",
        body=ChangedBatch,
        answer=serializers.CharField(),
        codes=[Code.SENSITIVE_WORD],
        description="触发次数保留。",
    )
    def update(self, request: Request) -> Response:
        params = reading.body(request, ChangedBatch)
        _count_keywords(request, params["keywords"])
        batches.change_batch(
            user=signed_in(request),
            batch_id=params["id"],
            group_codes=params["group_codes"],
            keywords=params["keywords"],
            reply=params["reply_content"],
        )
        return Response("SUCCESS")

    @operation("删除关键字", body=BatchNamed, answer=serializers.CharField())
    def destroy(self, request: Request) -> Response:
        batches.delete_batch(user=signed_in(request), batch_id=reading.body(request, BatchNamed)["id"])
        return Response("SUCCESS")

    @operation("关键字详情", answer=BatchDetail, codes=[Code.BAD_REQUEST])
    def show(self, request: Request, batch_id: str) -> Response:
        return Response(BatchDetail(batches.batch_of_user(signed_in(request), batch_id)).data)
