"""Request and response fields of the operations about launches and mass messages."""

import re
from datetime import datetime, time
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.fields import (
    IntegerChoiceField,
    ListOrCommasField,
    MomentField,
    ReferenceField,
    SingleLineField,
    StrictStringField,
    SwitchField,
)
from config.platform.dates import day_of
from config.platform.web_addresses import address_problem
from integrations.gateway.payloads import MessageType, picture_address
from launches.launch_items import ADDRESS_IN, missing_part
from launches.mass_message_drafts import USABLE, missing_content_part
from launches.models import Launch, LaunchItemType, MassMessage, MassMessageDraft
from robots.outbox import writing

MOST_ITEMS = 20
MOST_GROUPS = 50_000
MOST_OWN_GROUPS = 500
MORNING = time(9)  # for a send date without a time
_REFERENCE = re.compile("[^\x00\ud800-\udfff]{1,128}")  # PostgreSQL stores no NUL and no surrogates


class References(ListOrCommasField):
    """Ids or codes, each once. A loop checks them, because a field per item would be slow for ten thousand."""

    default_error_messages = {"invalid_reference": "第 {place} 项应为 1 到 128 个字符的群编号"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=ReferenceField(), min_length=1, **kwargs)

    def run_child_validation(self, data: Any) -> Any:
        seen: dict[str, None] = {}
        for place, raw in enumerate(data, start=1):
            reference = raw.strip() if isinstance(raw, str) else raw
            if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
                self.fail("invalid_reference", place=place)
            seen[reference] = None
        return list(seen)


class LaunchItem(serializers.Serializer[Any]):
    """An item. Its type determines which parts it needs: 1 content, 2 filePath, 3 title and url, 4 title, url and content."""

    type = IntegerChoiceField(choices=LaunchItemType)
    title = SingleLineField(max_length=200, required=False, allow_blank=True, allow_null=True)
    content = StrictStringField(max_length=4000, required=False, allow_blank=True, allow_null=True)
    filePath = StrictStringField(  # noqa: N815 - the wire's word
        max_length=2048, required=False, allow_blank=True, allow_null=True
    )
    url = StrictStringField(max_length=2048, required=False, allow_blank=True, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        missing = missing_part(attrs)
        if missing:
            raise serializers.ValidationError({missing: "该类型的内容缺少必填项"})
        if attrs["type"] in ADDRESS_IN and (problem := address_problem(attrs[ADDRESS_IN[attrs["type"]]])):
            raise serializers.ValidationError({ADDRESS_IN[attrs["type"]]: problem})
        return attrs


class LaunchContent(serializers.Serializer[Any]):
    items = serializers.ListField(child=LaunchItem(), min_length=1, max_length=MOST_ITEMS)


class NewLaunch(serializers.Serializer[Any]):
    taskId = StrictStringField(max_length=128)  # noqa: N815
    groupIds = References(max_length=MOST_GROUPS)  # noqa: N815
    content = LaunchContent()


class WantedSwitch(serializers.Serializer[Any]):
    code = ReferenceField()
    rcv_task_flag = SwitchField()


class ListedLaunch(serializers.Serializer[Any]):
    task_id = serializers.UUIDField(source="id")
    send_date = serializers.DateTimeField(source="received_at")
    group_count = serializers.IntegerField()
    send_flag = serializers.IntegerField(source="is_finished")


class LaunchNamed(serializers.Serializer[Launch]):
    task_id = StrictStringField(max_length=128)


class Material(serializers.Serializer[Any]):
    url = serializers.CharField(allow_null=True)
    type = serializers.IntegerField()
    title = serializers.CharField(allow_null=True)
    content = serializers.CharField(allow_null=True)
    filePath = serializers.CharField(allow_null=True)  # noqa: N815


class LaunchDetail(serializers.Serializer[Any]):
    groups = serializers.ListField(source="group_names", child=serializers.CharField())
    materials = Material(source="items", many=True)
    send_date = serializers.DateTimeField(source="received_at")


class MassMessageContent(serializers.Serializer[Any]):
    """A message of one of the gateway's types, except cards. A text follows the draft and may be empty."""

    type = IntegerChoiceField(choices=USABLE)
    content = StrictStringField(max_length=4000, allow_blank=True, required=False, default="")
    title = SingleLineField(max_length=200, allow_blank=True, required=False, default="")
    desc = StrictStringField(max_length=500, allow_blank=True, required=False, default="")
    url = StrictStringField(max_length=2048, allow_blank=True, required=False, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        missing = missing_content_part(attrs) if attrs["type"] != MessageType.TEXT else None
        if missing:
            raise serializers.ValidationError({missing: "该类型的消息缺少必填项"})
        if attrs["type"] == MessageType.IMAGE:
            attrs |= writing.image(picture_address(attrs["content"], attrs["url"]) or "")
        if attrs["type"] in (MessageType.IMAGE, MessageType.LINK) and (problem := address_problem(attrs["url"])):
            raise serializers.ValidationError({"url": problem})
        return attrs


class SendDateField(MomentField):
    """A time, or a day, which means nine in the morning (today after nine: at once)."""

    def to_internal_value(self, data: Any) -> datetime:
        moment = super().to_internal_value(data)
        if " " in data:
            return moment
        day, now = day_of(moment), timezone.localtime()
        morning = timezone.make_aware(datetime.combine(day, MORNING))
        return max(morning, now) if day == now.date() else morning


class CompletedDraft(serializers.Serializer[Any]):
    message = MassMessageContent()
    group_ids = References(max_length=MOST_OWN_GROUPS)
    send_date = SendDateField()


class SentMessageContent(serializers.Serializer[Any]):
    """The content of a draft or a mass message; parts that its type does not have are empty."""

    type = serializers.IntegerField()
    content = serializers.CharField()
    title = serializers.CharField()
    desc = serializers.CharField()
    url = serializers.CharField()


class Draft(serializers.Serializer[MassMessageDraft]):
    id = serializers.UUIDField()
    content = SentMessageContent()


class Direction(serializers.Serializer[Any]):
    direction = serializers.ChoiceField(choices=[("up", "未来一周"), ("down", "过去一周")])


class ListedMassMessage(serializers.Serializer[MassMessage]):
    id = serializers.UUIDField()
    send_date = serializers.DateTimeField(source="send_at")
    group_counts = serializers.IntegerField(source="group_count")
    status = serializers.IntegerField()


class GroupInfo(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="group.id")
    name = serializers.CharField(source="group.name")


class MassMessageDetail(serializers.Serializer[Any]):
    groups_info = GroupInfo(source="groups.all", many=True)
    content = serializers.SerializerMethodField()
    send_date = serializers.DateTimeField(source="send_at")

    @extend_schema_field(SentMessageContent(many=True))
    def get_content(self, message: MassMessage) -> list[dict[str, Any]]:
        contents: list[dict[str, Any]] = message.contents
        return contents
