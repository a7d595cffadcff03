"""The gateway's events at the border."""

import re
from dataclasses import dataclass, field
from typing import Any

from rest_framework import serializers

from config.api.exception_handler import sentences_of
from config.api.fields import ListOrCommasField, StrictStringField
from config.api.parsers import Ambiguous, RepeatedName
from integrations.aliyun.sms import PHONE_PATTERN

LONGEST_EVENT_ID = 128
LONGEST_COMMAND = 64
_NO_EVENT = "应为 JSON 对象"


class IncomingEvent(serializers.Serializer[Any]):
    event_id = StrictStringField(max_length=LONGEST_EVENT_ID)
    command = StrictStringField(max_length=LONGEST_COMMAND)
    body = serializers.JSONField()


class RefusedEvent(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="在数组里的位置，从 0 开始")
    reason = serializers.CharField(help_text="拒收原因")


class EventWarning(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="在数组里的位置，从 0 开始")
    field = serializers.CharField(help_text="像是写错的字段名")
    reason = serializers.CharField(help_text="可能的正确写法")


class EventsStored(serializers.Serializer[Any]):
    """What became of a call's events."""

    stored = serializers.IntegerField(help_text="新存储的事件数；以前收到过的 event_id 不计")
    refused = RefusedEvent(many=True, help_text="没有存储的事件；运营人员在后台能看到")
    warnings = EventWarning(many=True, help_text="已存储，但字段名像是写错的事件")


@dataclass
class ValidatedEvents:
    """The events of a call by their place in it, and what is wrong with the others."""

    good: dict[int, dict[str, Any]] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)


def validate_events(data: list[Any]) -> ValidatedEvents:
    """Take a list of events item by item.

    The serializer costs 30 µs an event. What it would take as it came is seen in one, so it is asked only about the
    others: it corrects them, or says what is wrong.
    """
    taken = ValidatedEvents()
    for index, event in enumerate(data):
        if _is_plain(event):
            taken.good[index] = {name: event[name] for name in ("event_id", "command", "body")}
            continue
        checked = IncomingEvent(data=event)
        if isinstance(event, Ambiguous):
            taken.refused[index] = RepeatedName(field=event.field).description
        elif event is None or not checked.is_valid():
            taken.refused[index] = "；".join(sentences_of(checked.errors)) if event is not None else _NO_EVENT
        else:
            taken.good[index] = checked.validated_data
    return taken


def _is_plain(event: Any) -> bool:
    return (
        isinstance(event, dict)
        and _is_name(event.get("event_id"), LONGEST_EVENT_ID)
        and _is_name(event.get("command"), LONGEST_COMMAND)
        and event.get("body") is not None
    )


def _is_name(value: Any, longest: int) -> bool:
    """Visible ASCII only: nothing to trim, no NUL, no surrogates."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= longest
        and value.isascii()
        and value.isprintable()
        and " " not in value
    )


class SmsBatch(serializers.Serializer[Any]):
    phones = ListOrCommasField(child=StrictStringField(max_length=32), min_length=1, max_length=1000)
    content = StrictStringField(max_length=500)

    def validate_phones(self, phones: list[str]) -> list[str]:
        """Bad numbers refuse the batch, and all of them are named."""
        bad = [phone for phone in phones if not re.fullmatch(PHONE_PATTERN, phone)]
        if bad:
            raise serializers.ValidationError(f"其中 {len(bad)} 个不是大陆手机号：{'、'.join(bad)}")
        return phones
