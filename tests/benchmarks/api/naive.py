"""Django REST framework as its tutorial writes it: model serializers, simplejwt, default middleware, gunicorn 2 × 8.

It uses the project's models, and nothing else of the project.
"""

import os
from datetime import timedelta
from typing import Any

import django
from django.core.wsgi import get_wsgi_application
from django.db.models import Count, Sum
from django.utils import timezone

os.environ["DJANGO_SETTINGS_MODULE"] = "api.naive_settings"
django.setup()

from django.urls import path  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.generics import GenericAPIView, ListAPIView  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402

from accounts.models import User  # noqa: E402
from earnings.models import Account, LedgerEntry  # noqa: E402
from groups.models import Group, Mention, StarPlan  # noqa: E402
from keywords.models import KeywordBatch  # noqa: E402
from launches.models import Delivery, Launch, MassMessage  # noqa: E402


class GroupSerializer(serializers.ModelSerializer[Group]):
    robot_name = serializers.CharField(source="robot.name")
    settle_count = serializers.IntegerField(source="paid_day_count")
    group_income = serializers.SerializerMethodField()

    class Meta:
        model = Group
        fields = [
            "code",
            "name",
            "settle_count",
            "star",
            "robot_name",
            "launch_switch",
            "bound_at",
            "group_income",
            "is_legacy",
        ]

    def get_group_income(self, group: Group) -> Any:
        return self.context["plans"][group.star].price


class Groups(ListAPIView[Group]):
    serializer_class = GroupSerializer

    def get_queryset(self) -> Any:
        return Group.objects.filter(user=self.request.user, cancelled_at=None, star__isnull=False).select_related(
            "robot"
        )

    def get_serializer_context(self) -> dict[str, Any]:
        plans = {plan.star: plan for plan in StarPlan.objects.order_by("valid_from")}
        return {**super().get_serializer_context(), "plans": plans}


class BatchSerializer(serializers.ModelSerializer[KeywordBatch]):
    group_codes = serializers.SerializerMethodField()

    class Meta:
        model = KeywordBatch
        fields = ["id", "keywords", "reply_content", "trigger_count", "group_codes"]

    def get_group_codes(self, batch: KeywordBatch) -> list[str]:
        return sorted({keyword.group.code for keyword in batch.group_keywords.all()})


class Keywords(ListAPIView[KeywordBatch]):
    serializer_class = BatchSerializer
    pagination_class = None

    def get_queryset(self) -> Any:
        return KeywordBatch.objects.filter(user=self.request.user).prefetch_related("group_keywords__group")


class MentionSerializer(serializers.ModelSerializer[Mention]):
    group_name = serializers.CharField(source="group.name")
    group_code = serializers.CharField(source="group.code")
    content = serializers.JSONField(source="message.content")

    class Meta:
        model = Mention
        fields = ["message_id", "group_name", "content", "group_id", "group_code", "read_at"]


class Mentions(ListAPIView[Mention]):
    serializer_class = MentionSerializer

    def get_queryset(self) -> Any:
        recent = Mention.objects.filter(
            user=self.request.user, mentioned_at__gte=timezone.now() - timedelta(days=3)
        )
        return recent.filter(group__cancelled_at=None).select_related("group", "message")


class MassMessageSerializer(serializers.ModelSerializer[MassMessage]):
    group_counts = serializers.IntegerField()

    class Meta:
        model = MassMessage
        fields = ["id", "send_at", "group_counts", "status"]


class MassMessages(ListAPIView[MassMessage]):
    serializer_class = MassMessageSerializer

    def get_queryset(self) -> Any:
        mine = MassMessage.objects.filter(user=self.request.user, send_at__gt=timezone.now())
        return mine.annotate(group_counts=Count("groups")).order_by("-send_at")


class LaunchSerializer(serializers.ModelSerializer[Launch]):
    group_count = serializers.IntegerField()

    class Meta:
        model = Launch
        fields = ["id", "received_at", "group_count", "status"]


class Launches(ListAPIView[Launch]):
    serializer_class = LaunchSerializer

    def get_queryset(self) -> Any:
        mine = Launch.objects.filter(deliveries__user=self.request.user)
        sent = mine.exclude(deliveries__status=Delivery.Status.SKIPPED)
        return sent.annotate(group_count=Count("deliveries")).order_by("-received_at")


class ApprenticeSerializer(serializers.ModelSerializer[User]):
    has_group = serializers.SerializerMethodField()
    has_apprentice = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["id", "nickname", "created_at", "has_group", "has_apprentice"]

    def get_has_group(self, user: User) -> bool:
        return Group.objects.filter(user=user).exists()

    def get_has_apprentice(self, user: User) -> bool:
        return User.objects.filter(inviter=user).exists()


class Apprentices(ListAPIView[User]):
    serializer_class = ApprenticeSerializer

    def get_queryset(self) -> Any:
        return User.objects.filter(inviter=self.request.user)


class Profit(GenericAPIView[Any]):
    def get(self, request: Request) -> Response:
        account = Account.objects.get(user=request.user)
        yesterday = timezone.localdate() - timedelta(days=1)
        income = LedgerEntry.objects.filter(account=account, income_type__isnull=False, day=yesterday)
        total = income.aggregate(total=Sum("amount"))["total"] or 0
        return Response({"amount": account.available, "balance": account.earned, "yesterday_balance": total})


class SwitchSerializer(serializers.ModelSerializer[User]):
    alt_switch = serializers.BooleanField(source="mentions_enabled")

    class Meta:
        model = User
        fields = ("alt_switch",)


class Switch(GenericAPIView[Any]):
    def put(self, request: Request) -> Response:
        serializer = SwitchSerializer(request.user, data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(serializer.data)


urlpatterns = [
    path("groups", Groups.as_view()),
    path("keywords", Keywords.as_view()),
    path("alt_msg", Mentions.as_view()),
    path("tasks/messages", MassMessages.as_view()),
    path("launch/history", Launches.as_view()),
    path("user/apprentice", Apprentices.as_view()),
    path("profit", Profit.as_view()),
    path("alt/switch", Switch.as_view()),
]
application = get_wsgi_application()
