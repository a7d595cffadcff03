"""Apprentices and grand-apprentices."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in
from accounts.models import User
from config.api import reading
from config.api.paging import listed
from config.api.permissions import IsNotBlocked, IsUser
from config.api.renderer import Answer
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code
from config.platform.dates import day_of
from groups import apprentices
from groups.models import Reminder
from groups.serializers import Apprentice, Disciples, LevelFilter, ReminderRequest

NO_REMINDER_NEEDED = "今天已经提醒过了，或没有需要提醒的事"


class ApprenticeViews(OperationViews[User]):
    """The user's apprentices and grand-apprentices. Signed-in users who are not blocked."""

    permission_classes = (IsUser, IsNotBlocked)
    confirms_user = ("list",)

    @operation("首页获取群数量和徒弟徒孙数量", answer=Disciples)
    def counts(self, request: Request) -> Response:
        return Response(Disciples(apprentices.counts(signed_in(request))).data)

    @operation(
        "徒弟徒孙列表",
        query=LevelFilter,
        answer=Apprentice(many=True),
        paged=True,
        description="leave 也可写作 lelave。is_remind 为 1 表示现在可以唤醒。",
    )
    def list(self, request: Request) -> Response:
        level = reading.query(request, LevelFilter)["level"]
        if level == 1:
            return listed(request, apprentices.apprentices, Apprentice, day_of(timezone.now()))
        return listed(request, apprentices.grand_apprentices if level == 2 else None, Apprentice)

    @operation(
        "唤醒徒弟",
        body=ReminderRequest,
        codes=[Code.NOT_FOUND],
        description="带 user_id 时只唤醒该徒弟，按其实际情况决定说什么。每人每类每天至多一次。",
    )
    def remind(self, request: Request) -> Response:
        params, inviter, now = reading.body(request, ReminderRequest), signed_in(request), timezone.now()
        if "user_id" in params:
            mine = User.objects.filter(inviter=inviter).by_reference(params["user_id"])
            done = apprentices.remind_apprentice(inviter=inviter, apprentice=get_object_or_404(mine), at=now)
        else:
            requested = {
                Reminder.Kind.GROUP: params["is_import"],
                Reminder.Kind.APPRENTICE: params["is_apprentice"],
            }
            done = apprentices.remind_apprentices(
                inviter=inviter, kinds=[kind for kind in requested if requested[kind]], at=now
            )
        return Response(Answer(None, description="" if done else NO_REMINDER_NEEDED))
