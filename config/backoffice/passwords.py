"""The longest password of an operator: what the sign-in page takes, no longer one may be set."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

LONGEST_PASSWORD = 256  # characters


class MaximumLengthValidator:
    """Refuse a password with which nobody could sign in."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > LONGEST_PASSWORD:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return _("密码最多 %s 个字符。") % LONGEST_PASSWORD
