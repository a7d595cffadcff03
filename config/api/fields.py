"""Field types of the border: money, switches, lists and references as the document writes them."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers


class MoneyString(serializers.DecimalField):
    """Yuan as a two-digit string."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=14, decimal_places=2, coerce_to_string=True, **kwargs)


class MoneyNumber(serializers.Field[Decimal, Any, Any, Any]):
    """Yuan as a JSON number, for the three fields that the document shows so. Output only."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Decimal) -> float:
        return float(value)


class Reference(serializers.CharField):
    """An id or a gateway code."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 128)
        super().__init__(**kwargs)


class SwitchField(serializers.BooleanField):
    """A switch: 0 or 1 on the wire, a boolean inside."""

    def to_internal_value(self, data: Any) -> bool:
        if data in (0, 1, "0", "1") and not isinstance(data, bool):
            return str(data) == "1"
        raise serializers.ValidationError("应为 0 或 1")

    def to_representation(self, value: Any) -> Any:
        return int(bool(value))


class ListOrCommas(serializers.ListField):
    """A JSON array, or one string with commas."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str):
            data = [part.strip() for part in data.split(",") if part.strip()]
        return super().to_internal_value(data)


class StrictInteger(serializers.IntegerField):
    """A whole number; neither a boolean nor 1.0 passes for one."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool | float):
            self.fail("invalid")
        return int(super().to_internal_value(data))
