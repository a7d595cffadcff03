"""Apprentices and grand-apprentices."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in
from accounts.models import User
from config.api import reading
from config.api.paging import paged
from config.api.permissions import IsNotBlocked, IsUser
from config.api.renderer import Answer
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code
from config.platform.dates import day_of
from groups import apprentices
from groups.models import Awakening
from groups.serializers import Apprentice, Disciples, LevelFilter, ReminderRequest

NOTHING_TO_SAY = "今天已经提醒过了,或没有需要提醒的事"


class ApprenticeViews(OperationViews[User]):
    """Who stands below the user in the referral tree."""

    permission_classes = (IsUser, IsNotBlocked)

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
        rows = apprentices.apprentices_of(signed_in(request), level=level, today=day_of(timezone.now()))
        return paged(request, rows, lambda page: Apprentice(page, many=True, context={"level": level}).data)

    @operation(
        "唤醒徒弟",
        body=ReminderRequest,
        codes=[Code.NOT_FOUND],
        description="带 user_id 时只唤醒该徒弟,按其实际情况决定说什么。每人每类每天至多一次。",
    )
    def awaken(self, request: Request) -> Response:
        given, master, now = reading.body(request, ReminderRequest), signed_in(request), timezone.now()
        if "user_id" in given:
            mine = User.objects.filter(inviter=master).by_reference(given["user_id"])
            done = apprentices.remind_apprentice(master=master, apprentice=get_object_or_404(mine), at=now)
        else:
            asked = {Awakening.Kind.GROUP: given["is_import"], Awakening.Kind.APPRENTICE: given["is_apprentice"]}
            done = apprentices.remind_apprentices(
                master=master, kinds=[kind for kind in asked if asked[kind]], at=now
            )
        return Response(Answer(None, description="" if done else NOTHING_TO_SAY))
