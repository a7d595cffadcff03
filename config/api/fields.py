"""Serializer fields of the API: money, switches, lists and references in the form of the specification."""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from drf_spectacular.drainage import set_override
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from config.api.parsers import WrittenNumber
from config.platform.characters import breaks_line, in_one_line, is_visible, stripped
from config.platform.dates import day_from, end_of, start_of, time_from

MONEY_PATTERN = r"^-?[0-9]{1,12}(\.[0-9]{1,2}0*)?$"
_LONGEST_AMOUNT = 32
_CENT = Decimal("0.01")


def yuan_from(data: Any) -> Decimal | None:
    """Return the amount written in ASCII digits with at most two decimal places, apart from trailing zeros; else None.

    The text of a JSON number decides, so views that take amounts use MoneyJSONParser.
    """
    if isinstance(data, bool) or not isinstance(data, str | int | WrittenNumber):
        return None
    text = data.text if isinstance(data, WrittenNumber) else str(data).strip(" ")
    is_amount = len(text) <= _LONGEST_AMOUNT and re.fullmatch(MONEY_PATTERN, text)
    return Decimal(text).quantize(_CENT) if is_amount else None


class MoneyStringField(serializers.DecimalField):
    """Yuan as a string with two decimal places; requests may also send a number."""

    default_error_messages: ClassVar = {"invalid": "应为金额，最多两位小数"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=14, decimal_places=2, coerce_to_string=True, **kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        amount = yuan_from(data)
        if amount is None:
            self.fail("invalid")
        return amount


@extend_schema_field({"type": "number"})
class MoneyNumberField(serializers.Field[Decimal, Any, Any, Any]):
    """Yuan as a JSON number, for the three fields that the specification defines so. Output only."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Decimal) -> float:
        return float(value)


@extend_schema_field({"type": "string", "maxLength": 0})
class EmptyStringField(serializers.CharField):
    """The empty string that some operations return."""


class _StringOnly(serializers.Field[Any, Any, Any, Any]):
    """A JSON string; numbers and booleans are refused. Invisible characters at its ends are removed, and a text of
    invisible characters only becomes blank.
    """

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, str):
            data = self._without_invisible(data)
        return super().run_validation(data)

    def _without_invisible(self, text: str) -> str:
        if not is_visible(text):
            return ""
        return stripped(text) if getattr(self, "trim_whitespace", True) else text

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class StrictStringField(_StringOnly, serializers.CharField):
    """A text in a request."""


class SingleLineField(StrictStringField):
    """A text in one line: a name, a title, a keyword."""

    default_error_messages: ClassVar = {"not_a_line": "应为一行文字，不能有换行或控制字符"}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if breaks_line(text):
            self.fail("not_a_line")
        return text


NOTHING = ("null", "undefined")  # JavaScript converts missing values to these texts


class NullableStringField(StrictStringField):
    """A text that clients send as blank, null or the text "null" when they have none; all become blank."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, allow_null=True, **kwargs)

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        is_empty, value = super().validate_empty_values(data)
        return is_empty, "" if is_empty and value is None else value

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        return "" if text in NOTHING else text


class DisplayNameField(NullableStringField):
    """A name from WeChat. It may hold any character; line breaks become blanks."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        return text if "\x00" in text else in_one_line(text)  # kept, so that the validators refuse it


@extend_schema_field({"description": "文本；其他值视为没有"})
class AddressParameterField(serializers.Field[str, Any, Any, Any]):
    """A value that clients copy unchecked from the address of their page, so that it can be anything or missing.

    Values other than a text of 1 to `max_length` characters become blank, and so do "null" and "undefined".
    """

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        self.max_length = max_length
        super().__init__(required=False, default="", **kwargs)

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        return (True, "") if data is None else super().validate_empty_values(data)

    def to_internal_value(self, data: Any) -> str:
        text = data.strip() if isinstance(data, str) else ""
        return text if len(text) <= self.max_length and text.isprintable() and text not in NOTHING else ""


class PatternField(_StringOnly, serializers.RegexField):
    """A text that matches a regular expression."""


class UUIDStringField(_StringOnly, serializers.UUIDField):
    """The id of an object that has no code."""

    def to_internal_value(self, data: Any) -> Any:
        return serializers.UUIDField.to_internal_value(self, super().to_internal_value(data))


class StrictBooleanField(serializers.BooleanField):
    """A JSON boolean; texts and numbers are refused."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class ReferenceField(StrictStringField):
    """The id or the gateway code of an object."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 128)
        super().__init__(**kwargs)


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": 1})
class SwitchField(serializers.BooleanField):
    """A switch: 0 or 1 in the API, a boolean in the code."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is int and data in (0, 1):
            return bool(data)
        raise serializers.ValidationError("应为 0 或 1")

    def to_representation(self, value: Any) -> Any:
        return int(bool(value))


class ListOrCommasField(serializers.ListField):
    """A JSON array, or one string with ASCII, full-width or enumeration commas."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str):
            data = [part for piece in re.split("[,\uff0c\u3001]", data) if (part := stripped(piece))]
        return super().to_internal_value(data)


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer; texts, booleans and 1.0 are refused."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return int(super().to_internal_value(data))


class IntegerChoiceField(StrictIntegerField):
    """A field for one of a few integers."""

    def __init__(self, *, choices: Iterable[int], **kwargs: Any) -> None:
        self.choices = [int(choice) for choice in choices]
        set_override(self, "field", {"type": "integer", "enum": self.choices})
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        number = super().to_internal_value(data)
        if number not in self.choices:
            raise serializers.ValidationError(f"应为 {'、'.join(map(str, self.choices))} 之一")
        return number


class QueryIntegerField(serializers.IntegerField):
    """An integer in a query string: ASCII digits with an optional sign."""

    default_error_messages: ClassVar = {"invalid": "应为整数"}
    MAX_STRING_LENGTH = 4000  # Python converts at most 4,300 digits

    def to_internal_value(self, data: Any) -> int:
        if not re.fullmatch(r"[+-]?[0-9]+", str(data).strip()):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class DayField(serializers.DateField):
    """A day as YYYY-MM-DD. DRF's own field accepts every form of ISO 8601."""

    default_error_messages: ClassVar = {"invalid": "日期格式应为 YYYY-MM-DD"}

    def to_internal_value(self, data: Any) -> date:
        try:
            return day_from(data)
        except (ValueError, TypeError):
            self.fail("invalid")
            raise


@extend_schema_field({"type": "string", "examples": ["2026-11-23", "2026-11-23 09:30:00"]})
class MomentField(serializers.Field[datetime, Any, Any, Any]):
    """A day or a time in Shanghai as one end of a range. As the `end`, a day includes the whole day."""

    default_error_messages = {"invalid": "时间格式应为 YYYY-MM-DD 或 YYYY-MM-DD HH:MM:SS"}

    def __init__(self, *, end: bool = False, **kwargs: Any) -> None:
        self.end = end
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> datetime:
        """Return the first moment of the day or second, or the last moment when the field is an end."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return self._moment_from(data)
        except (ValueError, OverflowError):
            self.fail("invalid")
            raise

    def _moment_from(self, data: str) -> datetime:
        if " " not in data:
            day = day_from(data)
            return end_of(day) - datetime.resolution if self.end else start_of(day)
        moment = time_from(data)
        return moment + timedelta(seconds=1) - datetime.resolution if self.end else moment
