"""Request and response fields of the operations about keywords."""

from typing import Any

from rest_framework import serializers

from config.api.fields import ListOrCommasField, ReferenceField, SingleLineField, StrictStringField
from config.platform.characters import comparable
from keywords.batches import LONGEST_COMPARED, LONGEST_KEYWORD, LONGEST_REPLY, MOST_KEYWORDS

MOST_GROUPS = 500


class Keyword(SingleLineField):
    """A keyword. Its comparable form may be longer and has a limit of its own."""

    def __init__(self) -> None:
        super().__init__(max_length=LONGEST_KEYWORD)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not 0 < len(comparable(text)) <= LONGEST_COMPARED:
            raise serializers.ValidationError("这个关键字含有太多特殊字符，请换一个")
        return text


class NewBatch(serializers.Serializer[Any]):
    group_codes = ListOrCommasField(child=ReferenceField(), min_length=1, max_length=MOST_GROUPS)
    keywords = ListOrCommasField(child=Keyword(), min_length=1, max_length=MOST_KEYWORDS)
    reply_content = StrictStringField(max_length=LONGEST_REPLY)


class BatchNamed(serializers.Serializer[Any]):
    id = StrictStringField(max_length=64)


class ChangedBatch(NewBatch):
    id = StrictStringField(max_length=64)


class Length(serializers.IntegerField):
    """The number of the items of a list."""

    def to_representation(self, value: Any) -> int:
        return len(value)


class ListedBatch(serializers.Serializer[Any]):
    batch_id = serializers.UUIDField(source="id")
    keywords = serializers.ListField(child=serializers.CharField())
    bind_group_counts = Length(source="group_codes")
    reply_content = serializers.CharField()
    trigger_times = serializers.IntegerField(source="trigger_count")
    group_codes = serializers.ListField(child=serializers.CharField())


class BatchDetail(ListedBatch):
    """A batch. `id` repeats `batch_id`, because clients in use read it."""

    id = serializers.UUIDField()
