"""The gateway's events at the border."""

import re
from typing import Any

from rest_framework import serializers

from config.api.fields import ListOrCommas
from integrations.sms import PHONE_PATTERN


class IncomingEvent(serializers.Serializer[Any]):
    event_id = serializers.CharField(max_length=128)
    command = serializers.CharField(max_length=64)
    body = serializers.JSONField()


class SmsBatch(serializers.Serializer[Any]):
    phones = ListOrCommas(child=serializers.CharField(max_length=32), min_length=1, max_length=1000)
    content = serializers.CharField(max_length=500)

    def validate_phones(self, phones: list[str]) -> list[str]:
        """One bad number refuses the batch, and is named."""
        bad = [phone for phone in phones if not re.fullmatch(PHONE_PATTERN, phone)]
        if bad:
            raise serializers.ValidationError(f"不是大陆手机号: {'、'.join(bad[:20])}")
        return phones
