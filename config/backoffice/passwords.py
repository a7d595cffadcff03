"""The maximum length of an operator's password, which the sign-in page accepts."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

LONGEST_PASSWORD = 256  # characters


class MaximumLengthValidator:
    """A password validator that refuses passwords longer than the sign-in page accepts."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > LONGEST_PASSWORD:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return _("密码最多 %s 个字符。") % LONGEST_PASSWORD
