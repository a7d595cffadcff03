"""Groups at the border."""

from typing import Any

from rest_framework import serializers

from config.api.fields import MoneyNumber, Reference, StrictInteger, SwitchField
from groups.models import RatingState


class GroupsFilter(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=[("1", "已评星或老群"), ("0", "待评星")])


class ListedGroup(serializers.Serializer[Any]):
    """A group in the user's list; what an unrated group does not have yet is null."""

    code = serializers.CharField()
    name = serializers.CharField()
    settle_count = serializers.IntegerField(allow_null=True)
    quality_level = serializers.IntegerField(source="star", allow_null=True)
    robot_name = serializers.CharField(source="shown_robot_name", allow_null=True)
    launch_switch = SwitchField(allow_null=True)
    create_date = serializers.DateTimeField(source="bound_at", format="%Y-%m-%d")
    income_status = serializers.CharField(allow_null=True)
    group_income = MoneyNumber(allow_null=True)
    text_income = MoneyNumber(allow_null=True)
    old_group = serializers.IntegerField(allow_null=True)


class RatedGroup(serializers.Serializer[Any]):
    groupId = Reference()  # noqa: N815 - the wire's word
    state = serializers.ChoiceField(choices=RatingState.choices)
    star = StrictInteger(min_value=1, max_value=5)


class RatingBatch(serializers.Serializer[Any]):
    command = serializers.ChoiceField(choices=["update_group_star"])
    data = serializers.ListField(  # type: ignore[assignment]
        child=RatedGroup(), min_length=1, max_length=10_000
    )
