"""Examples for the API documentation, generated from the serializers so that they show existing fields only."""

from typing import Any

from rest_framework import serializers

from config.api.fields import MoneyNumberField, MoneyStringField, SwitchField

_BY_NAMES: dict[str, Any] = {
    "app_id appid": "sandbox",
    "union_id unionid": "union-alice",
    "open_id openid": "open-alice",
    "nickname nick_name": "alice",
    "phone": "13800138000",
    "sharing_user_id channel": "",
    "group_id groupId": "group-1",
    "url": "https://example.com/article",
    "head_url headimgurl": "https://example.com/head.png",
    "qr_code": "https://example.com/qr.png",
    "access_token": "eyJhbGciOiJIUzI1NiIs…",
    "create_date": "2026-11-23 09:30:00",
    "paid_date": "2026-11-23 10:00:00",
}
_BY_NAME = {name: value for names, value in _BY_NAMES.items() for name in names.split()}
_BY_TYPE: tuple[tuple[type[Any], Any], ...] = (
    (MoneyStringField, "20.00"),
    (MoneyNumberField, 0.65),
    (SwitchField, 1),
    (serializers.BooleanField, True),
    (serializers.UUIDField, "15e1c365-5c8d-488f-8238-f7ab4be89391"),
    (serializers.IntegerField, 1),
    (serializers.DateTimeField, "2026-11-23 09:30:00"),
    (serializers.DateField, "2026-11-23"),
    (serializers.JSONField, {}),
)


def example_of(shape: Any, name: str = "") -> Any:
    """Return a plausible value of a serializer, or of a field with this name."""
    if isinstance(shape, serializers.ListSerializer):
        return [example_of(shape.child)]
    if isinstance(shape, serializers.Serializer):
        return {key: example_of(field, key) for key, field in shape.fields.items()}
    if isinstance(shape, serializers.ListField):
        return [example_of(shape.child, name.removesuffix("s"))]
    if isinstance(shape, serializers.ChoiceField):
        return next(iter(shape.choices))
    by_type = next((value for kind, value in _BY_TYPE if isinstance(shape, kind)), name or "text")
    return _BY_NAME.get(name, by_type)
