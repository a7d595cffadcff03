"""Request and response fields of the operations about feedback."""

from typing import Any

from rest_framework import serializers

from config.api.fields import MomentField, ReferenceField, StrictStringField, UUIDStringField
from feedback.models import Problem


class Category(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    title = serializers.CharField()
    seq_no = serializers.IntegerField()
    type = serializers.IntegerField()


class NewProblem(serializers.Serializer[Any]):
    """A report. Clients send `problem_catgory` with this spelling; fields that the category does not need are optional."""

    problem_catgory = ReferenceField()
    robot_id = ReferenceField(required=False, allow_blank=True, allow_null=True)
    group_name = StrictStringField(max_length=200, required=False, allow_blank=True, allow_null=True)
    description = StrictStringField(max_length=1000, required=False, allow_blank=True, allow_null=True)


class ProblemFilter(serializers.Serializer[Any]):
    """Filters of the back office's list, all optional. Both ends are inclusive; a day as an end includes that day."""

    phone = StrictStringField(max_length=11, required=False)
    problem_id = UUIDStringField(required=False)
    robot_code = ReferenceField(required=False)
    group_name = StrictStringField(max_length=200, required=False)
    commit_date_begin = MomentField(required=False)
    commit_date_end = MomentField(end=True, required=False)


class ListedProblem(serializers.Serializer[Problem]):
    phone = serializers.CharField(source="user.phone", allow_null=True)
    nickname = serializers.CharField(source="user.nickname")
    title = serializers.CharField(source="category.title")
    code = serializers.CharField(source="robot.code", default=None, allow_null=True, read_only=True)
    name = serializers.CharField(source="robot.name", default=None, allow_null=True, read_only=True)
    wechat_no = serializers.CharField(source="robot.wechat_no", default=None, allow_null=True, read_only=True)
    robot_info = serializers.CharField(
        source="robot.name_and_wechat_no",
        default=None,
        allow_null=True,
        read_only=True,
        help_text="机器人昵称（微信号），没有机器人时为 null",
    )
    group_name = serializers.SerializerMethodField()
    description = serializers.SerializerMethodField()
    create_date = serializers.DateTimeField(source="reported_at")

    def get_group_name(self, problem: Problem) -> str | None:
        return problem.group_name or None

    def get_description(self, problem: Problem) -> str | None:
        return problem.description or None


class Callback(serializers.Serializer[Any]):
    userId = ReferenceField()  # noqa: N815 - the wire's word
    msgType = StrictStringField(max_length=64)  # noqa: N815
    content = StrictStringField(max_length=4000, allow_blank=True, required=False, default="")


class Signed(serializers.Serializer[Any]):
    timestamp = StrictStringField(max_length=20)
    digest = StrictStringField(max_length=64)
