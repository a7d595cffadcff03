"""The user's mass messages."""

from typing import ClassVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in
from config.api import reading
from config.api.paging import listed
from config.api.permissions import IsNotBlocked, IsUser
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code
from launches import mass_message_drafts, mass_message_results, mass_messages
from launches.models import MassMessage
from launches.serializers import CompletedDraft, Direction, Draft, ListedMassMessage, MassMessageDetail


class MassMessageViews(OperationViews[MassMessage]):
    """Drafts and mass messages; a completed draft is a mass message with the same id. Signed-in users, not blocked."""

    permission_classes = (IsUser, IsNotBlocked)
    confirms_user = ("list",)
    limits: ClassVar = {"complete": ("moderated", "mass_messages_day")}

    @operation(
        "群发消息列表页",
        query=Direction,
        answer=ListedMassMessage(many=True),
        paged=True,
        description="up 未来七天，down 过去七天；已撤回的不再列出。status：0 待发送，1 已发送，2 失败。",
    )
    def list(self, request: Request) -> Response:
        now = timezone.now()
        if reading.query(request, Direction)["direction"] == "up":
            return listed(request, mass_messages.upcoming, ListedMassMessage, now, now + mass_messages.LISTED_FOR)
        return listed(request, mass_messages.past, ListedMassMessage, now - mass_messages.LISTED_FOR, now)

    @operation("进入群发消息补全页面", answer=Draft, codes=[Code.NOT_FOUND], description="草稿十分钟内有效。")
    def draft(self, request: Request, task_id: str) -> Response:
        return Response(Draft(mass_message_drafts.open_draft(signed_in(request), task_id, at=timezone.now())).data)

    @operation(
        "更新群发消息",
        body=CompletedDraft,
        codes=[Code.NOT_FOUND, Code.CONFLICT, Code.SENSITIVE_WORD, Code.LIMIT_REACHED, Code.MINUTE_TAKEN],
        description="message 为文本（type 3）时是草稿的配套文案：先发草稿，再发文案，文案可为空；"
        "为其他类型时代替草稿。send_date 为日期时在当天 9 点发送（当天已过 9 点则立即发送）。",
    )
    def complete(self, request: Request, task_id: str) -> Response:
        params = reading.body(request, CompletedDraft)
        mass_messages.complete_draft(
            user=signed_in(request),
            draft_id=task_id,
            message=params["message"],
            references=params["group_ids"],
            send_at=params["send_date"],
            at=timezone.now(),
        )
        return Response(None)

    @operation("群发消息详情", answer=MassMessageDetail, codes=[Code.NOT_FOUND])
    def show(self, request: Request, task_id: str) -> Response:
        return Response(MassMessageDetail(mass_messages.mass_message_of_user(signed_in(request), task_id)).data)

    @operation(
        "群发消息撤回",
        codes=[Code.NOT_FOUND, Code.CONFLICT],
        description="未发送的直接取消，发送不到两分钟的逐群撤回，之后 1409。",
    )
    def recall(self, request: Request, task_id: str) -> Response:
        mass_message_results.recall(user=signed_in(request), message_id=task_id, at=timezone.now())
        return Response(None)
