"""The gateway's events at the border."""

import re
from typing import Any

from rest_framework import serializers

from config.api import reading
from config.api.fields import ListOrCommas, Text
from integrations.sms import PHONE_PATTERN

LONGEST_EVENT_ID = 128
LONGEST_COMMAND = 64


class IncomingEvent(serializers.Serializer[Any]):
    event_id = Text(max_length=LONGEST_EVENT_ID)
    command = Text(max_length=LONGEST_COMMAND)
    body = serializers.JSONField()


def events_of(data: Any) -> list[Any]:
    """The validated events of a body, which is one or a list of them; 1403 names what is wrong.

    The serializer costs 30 µs an event. What it would take as it came is seen in one, so it is asked only when
    something else is among them: it then corrects that, or refuses.
    """
    many = isinstance(data, list)
    events = data if many else [data]
    if all(_is_plain(event) for event in events):
        return [{"event_id": one["event_id"], "command": one["command"], "body": one["body"]} for one in events]
    checked = reading.validated(IncomingEvent, data, many=many)
    return list(checked) if many else [checked]


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
    phones = ListOrCommas(child=Text(max_length=32), min_length=1, max_length=1000)
    content = Text(max_length=500)

    def validate_phones(self, phones: list[str]) -> list[str]:
        """Bad numbers refuse the batch, and all of them are named."""
        bad = [phone for phone in phones if not re.fullmatch(PHONE_PATTERN, phone)]
        if bad:
            raise serializers.ValidationError(f"其中 {len(bad)} 个不是大陆手机号：{'、'.join(bad)}")
        return phones
