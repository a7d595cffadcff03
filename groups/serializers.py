"""Request and response fields of the operations about groups."""

import re
from typing import Any

from rest_framework import serializers

from config.api.fields import (
    IntegerChoiceField,
    ListOrCommasField,
    MoneyNumberField,
    QueryIntegerField,
    ReferenceField,
    SingleLineField,
    StrictBooleanField,
    StrictIntegerField,
    StrictStringField,
    SwitchField,
)
from groups.models import CancelReason, Group, RatingState
from integrations.gateway.payloads import MessageType, parts_of, summary_of


class GroupsFilter(serializers.Serializer[Any]):
    status = QueryIntegerField(help_text="1 已评星或老群，0 待评星，其他整数得到空列表")


class ListedGroup(serializers.Serializer[Any]):
    """A group in the user's list; fields that an unrated group lacks are null."""

    code = serializers.CharField()
    name = serializers.CharField()
    settle_count = serializers.IntegerField(allow_null=True)
    quality_level = serializers.IntegerField(source="star", allow_null=True)
    robot_name = serializers.CharField(source="shown_robot_name", allow_null=True)
    launch_switch = SwitchField(allow_null=True)
    create_date = serializers.DateTimeField(source="bound_at", format="%Y-%m-%d")
    income_status = serializers.CharField(allow_null=True)
    group_income = MoneyNumberField(allow_null=True)
    text_income = MoneyNumberField(allow_null=True)
    old_group = serializers.IntegerField(allow_null=True)


class RatedGroup(serializers.Serializer[Any]):
    groupId = ReferenceField()  # noqa: N815 - the wire's word
    state = IntegerChoiceField(choices=RatingState)
    star = StrictIntegerField(min_value=1, max_value=5)


class RatedGroups(serializers.ListField):
    """Up to ten thousand ratings. A batch in which all are valid is accepted as it is; otherwise each field is checked."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=RatedGroup(), min_length=1, max_length=10_000, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if type(data) is list and 1 <= len(data) <= 10_000 and all(map(_is_valid_rating, data)):
            return data
        return super().to_internal_value(data)


_RATING_STATES = frozenset(RatingState.values)
_PLAIN_REFERENCE = re.compile(r"[\w@.:-]{1,128}", re.ASCII)


def _is_valid_rating(row: Any) -> bool:
    """Return whether `RatedGroup` would accept the row and return the same three values."""
    if type(row) is not dict:
        return False
    reference, state, star = row.get("groupId"), row.get("state"), row.get("star")
    return (
        type(reference) is str
        and _PLAIN_REFERENCE.fullmatch(reference) is not None
        and type(state) is int
        and state in _RATING_STATES
        and type(star) is int
        and 1 <= star <= 5
    )


class RatingBatch(serializers.Serializer[Any]):
    command = serializers.ChoiceField(choices=["update_group_star"])
    data = RatedGroups()  # type: ignore[assignment]  # the wire name hides Serializer.data


class GroupsToCancel(serializers.Serializer[Any]):
    group_ids = ListOrCommasField(child=ReferenceField(), min_length=1, max_length=50_000)
    cancel_reason = StrictIntegerField(min_value=1, max_value=7, required=False, default=CancelReason.OPERATOR)


class RobotNickname(serializers.Serializer[Any]):
    remark_name = SingleLineField(max_length=30)


class OwnedGroup(serializers.Serializer[Group]):
    id = serializers.UUIDField()
    code = serializers.CharField()
    name = serializers.CharField()
    launch_switch = SwitchField()
    create_date = serializers.DateTimeField(source="bound_at")


class GroupNumbers(serializers.Serializer[Any]):
    """Yesterday's statistics of a group, zero where nothing was counted."""

    group_id = serializers.UUIDField(source="id")
    group_name = serializers.CharField(source="name")
    group_mem_counts = serializers.IntegerField(source="shown_member_count")
    join_group_counts = serializers.IntegerField(source="joined_count")
    exit_group_counts = serializers.IntegerField(source="left_count")
    speaker_counts = serializers.IntegerField(source="speaker_count")


class Welcome(serializers.Serializer[Group]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    welcome_msg = serializers.CharField(source="welcome_message")


class NewWelcome(serializers.Serializer[Any]):
    welcome_msg = StrictStringField(max_length=500, allow_blank=True, trim_whitespace=False)


class Disciples(serializers.Serializer[Any]):
    """`apprentice` and `disciple` are the two parts of `disciples`."""

    group_count = serializers.IntegerField()
    disciples = serializers.IntegerField()
    apprentice = serializers.IntegerField()
    disciple = serializers.IntegerField()


class LevelFilter(serializers.Serializer[Any]):
    """`leave`, or `lelave` as the document spells it in the path."""

    leave = QueryIntegerField(required=False, help_text="1 徒弟，2 徒孙，其他整数得到空列表")
    lelave = QueryIntegerField(required=False, help_text="同 leave")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        level = attrs.get("leave", attrs.get("lelave"))
        if level is None:
            raise serializers.ValidationError({"leave": "请选择徒弟（1）或徒孙（2）"})
        return {"level": level}


class Apprentice(serializers.Serializer[Any]):
    is_import = serializers.BooleanField(source="has_group")
    is_apprentice = serializers.BooleanField(source="has_apprentice")
    create_date = serializers.DateTimeField(source="created_at")
    name = serializers.CharField(source="nickname")
    user_id = serializers.UUIDField(source="id")
    is_remind = serializers.IntegerField(source="can_be_reminded")


class ReminderRequest(serializers.Serializer[Any]):
    """A reminder to one apprentice (`user_id`, as existing clients send it) or to all who lack a group or an apprentice."""

    is_import = StrictBooleanField(required=False)
    is_apprentice = StrictBooleanField(required=False)
    user_id = ReferenceField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "user_id" in attrs:
            return attrs
        missing = [name for name in ("is_import", "is_apprentice") if name not in attrs]
        if missing:
            raise serializers.ValidationError(dict.fromkeys(missing, "缺少必填项"))
        if not attrs["is_import"] and not attrs["is_apprentice"]:
            raise serializers.ValidationError({"is_import": "请至少选择一类要唤醒的徒弟"})
        return attrs


class MentionSwitch(serializers.Serializer[Any]):
    alt_switch = SwitchField()


class MessageSummary(serializers.CharField):
    """The content of a message in one line."""

    def to_representation(self, value: Any) -> str:
        return summary_of(value)


class ListedMention(serializers.Serializer[Any]):
    msg_id = serializers.UUIDField(source="message_id")
    group_name = serializers.CharField(source="group.name")
    msg_content = MessageSummary(source="message.content")
    group_id = serializers.UUIDField()
    group_code = serializers.CharField(source="group.code")
    status = serializers.IntegerField(source="is_read")


class MessageContent(serializers.Serializer[Any]):
    url = serializers.CharField(allow_null=True)
    desc = serializers.CharField(allow_null=True)
    type = serializers.IntegerField(allow_null=True)
    title = serializers.CharField(allow_null=True)
    content = serializers.CharField(allow_null=True)
    voice_time = serializers.IntegerField(allow_null=True)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return each part or null. A text is never null, because existing clients then show no page.

        Messages stored before pictures had their address in both `content` and `url` are parsed again.
        """
        parts = dict(parts_of(instance))
        return parts | {"content": ""} if parts["type"] == MessageType.TEXT and parts["content"] is None else parts


class ContextMessage(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    head_url = serializers.CharField()
    nickname = serializers.CharField()
    content = MessageContent()
    send_date = serializers.DateTimeField()
    mem_code = serializers.CharField()
    group_code = serializers.CharField()
    is_master = serializers.BooleanField()


class MentionReply(serializers.Serializer[Any]):
    group_code = ReferenceField()
    mem_code = StrictStringField(max_length=128)
    content = StrictStringField(max_length=1000)
    type = StrictIntegerField(min_value=3, max_value=3)
