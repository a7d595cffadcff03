"""What a log line may say: people's numbers are masked, and PostgreSQL's row contents are left out."""

import logging
import re
from typing import Any

# 18 characters, or the 15 digits of cards made before 1999: region, a day with two digits of the year, a number.
_IDENTITY_CARD = re.compile(
    r"(?<!\d)(?:\d{17}[\dXx]|[1-8]\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3})(?!\d)"
)
_PHONE = re.compile(r"(?<!\d)((?:86)?1[3-9]\d)\d{4}(\d{4})(?!\d)")
_ROW_CONTENTS = re.compile(r"^DETAIL:.*$", re.MULTILINE)


def masked(line: str) -> str:
    """The line without identity cards, whole phone numbers and the contents of database rows."""
    line = _ROW_CONTENTS.sub("DETAIL: (left out)", line)
    return _PHONE.sub(r"\1****\2", _IDENTITY_CARD.sub("(identity card)", line))


class MaskingFormatter(logging.Formatter):
    """Masks the whole line, traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def logging_at(level: str) -> dict[str, Any]:
    """Return Django's LOGGING: one line each to the console, from this level on."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": "config.logs.MaskingFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Refusals answer themselves; only our own faults belong in the log.
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "ERROR"},
            "urllib3": {"level": "ERROR"},
            "axes": {"level": "WARNING"},
            "celery": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
        },
    }
