"""Field types of the border: money, switches, lists and references as the document writes them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.clock import end_of, start_of


class MoneyString(serializers.DecimalField):
    """Yuan as a two-digit string."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=14, decimal_places=2, coerce_to_string=True, **kwargs)


@extend_schema_field({"type": "number"})
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


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": 1})
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


@extend_schema_field({"type": "string", "examples": ["2026-11-23", "2026-11-23 09:30:00"]})
class MomentField(serializers.Field[datetime, Any, Any, Any]):
    """A day or a time of Shanghai as one end of a range. A day as the `end` includes that day."""

    default_error_messages = {"invalid": "应为 YYYY-MM-DD 或 YYYY-MM-DD HH:MM:SS"}

    def __init__(self, *, end: bool = False, **kwargs: Any) -> None:
        self.end = end
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> datetime:
        """The first moment meant (or, as an end, the last)."""
        day, moment = self._parsed(data)
        if day is not None:
            return end_of(day) - datetime.resolution if self.end else start_of(day)
        if moment is None:
            self.fail("invalid")
        return timezone.make_aware(moment) if timezone.is_naive(moment) else moment

    def _parsed(self, data: Any) -> tuple[date | None, datetime | None]:
        try:
            return parse_date(str(data)), parse_datetime(str(data))
        except (ValueError, OverflowError):
            self.fail("invalid")
            raise
