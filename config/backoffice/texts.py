"""Form fields for texts and numbers of operators."""

import re
from typing import Any, ClassVar

from django import forms
from django.utils.functional import Promise

from config.platform.characters import is_visible, stripped

Label = str | Promise  # a Promise is a text that is translated when it is shown
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class VisibleCharField(forms.CharField):
    """A text field that removes invisible characters at the ends; a text of invisible characters only is blank."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not isinstance(text, str) or not self.strip:
            return text
        return stripped(text) if is_visible(text) else self.empty_value


class _PlainNumber(forms.Field):
    """A number in ASCII digits. Python also accepts 1e2, 1_000 and the digits of every script."""

    pattern: ClassVar[re.Pattern[str]]

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip() and not self.pattern.fullmatch(value.strip()):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class PlainIntegerField(_PlainNumber, forms.IntegerField):
    """A field for an integer."""

    pattern = _INTEGER


class PlainDecimalField(_PlainNumber, forms.DecimalField):
    """A field for an amount or a share."""

    pattern = _DECIMAL
