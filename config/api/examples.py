"""Examples for the API documentation, generated from the serializers so that they show existing fields only."""

from typing import Any

from rest_framework import serializers
from rest_framework.serializers import BaseSerializer, ListSerializer

from config.api.fields import MoneyNumberField, MoneyStringField, SwitchField

_UUID = "15e1c365-5c8d-488f-8238-f7ab4be89391"
_BY_NAME: dict[str, Any] = {
    "app_id": "sandbox",
    "appid": "sandbox",
    "union_id": "union-alice",
    "open_id": "open-alice",
    "openid": "open-alice",
    "unionid": "union-alice",
    "nickname": "alice",
    "nick_name": "alice",
    "phone": "13800138000",
    "sharing_user_id": "",
    "channel": "",
    "group_id": "group-1",
    "groupId": "group-1",
    "url": "https://example.com/article",
    "head_url": "https://example.com/head.png",
    "headimgurl": "https://example.com/head.png",
    "qr_code": "https://example.com/qr.png",
    "event_id": "e-1",
    "command": "robot_added",
    "body": {"robot_id": "sandbox-robot-1", "user_id": "wx-alice", "nickname": "alice"},
    "access_token": "eyJhbGciOiJIUzI1NiIs…",
    "create_date": "2026-11-23 09:30:00",
    "paid_date": "2026-11-23 10:00:00",
}
_BY_TYPE: tuple[tuple[type[Any], Any], ...] = (
    (MoneyStringField, "20.00"),
    (MoneyNumberField, 0.65),
    (SwitchField, 1),
    (serializers.BooleanField, True),
    (serializers.UUIDField, _UUID),
    (serializers.IntegerField, 1),
    (serializers.DateTimeField, "2026-11-23 09:30:00"),
    (serializers.DateField, "2026-11-23"),
    (serializers.JSONField, {}),
)


def example_of(shape: Any) -> Any:
    """Return a plausible value of a serializer or field."""
    if isinstance(shape, ListSerializer):
        return [example_of(shape.child)]
    if isinstance(shape, BaseSerializer):
        fields = shape.fields  # type: ignore[attr-defined]
        return {name: _field_example(name, field) for name, field in fields.items()}
    return _field_example("", shape)


def _field_example(name: str, field: Any) -> Any:
    if isinstance(field, BaseSerializer):
        return example_of(field)
    if isinstance(field, serializers.ListField):
        return [_field_example(name.removesuffix("s"), field.child)]
    if isinstance(field, serializers.ChoiceField):
        return next(iter(field.choices))
    if name in _BY_NAME:
        return _BY_NAME[name]
    return next((value for kind, value in _BY_TYPE if isinstance(field, kind)), name or "text")
