"""Texts that operators write."""

from typing import Any

from django import forms

from config.characters import is_visible, stripped


class SeenCharField(forms.CharField):
    """Text without invisible characters at its ends; a text that shows nothing is blank."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not isinstance(text, str) or not self.strip:
            return text
        return stripped(text) if is_visible(text) else self.empty_value
