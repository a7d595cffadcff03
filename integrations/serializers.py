"""The gateway's events at the border."""

from typing import Any

from rest_framework import serializers


class IncomingEvent(serializers.Serializer[Any]):
    event_id = serializers.CharField(max_length=128)
    command = serializers.CharField(max_length=64)
    body = serializers.JSONField()
