"""What a log line may say: people's numbers are masked, and PostgreSQL's row contents are left out."""

import logging
import re
import sys
import traceback
from types import TracebackType
from typing import Any

# 18 characters, or the 15 digits of cards made before 1999: region, a day with two digits of the year, a number.
_IDENTITY_CARD = re.compile(
    r"(?<!\d)(?:\d{17}[\dXx]|[1-8]\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3})(?!\d)"
)
_PHONE = re.compile(r"(?<!\d)((?:86)?1[3-9]\d)\d{4}(\d{4})(?!\d)")
# To the end of what PostgreSQL said: a value may have lines of its own.
_ROW_CONTENTS = re.compile(
    r"^(\s*)DETAIL:.*?(?=\n\s*\n\s*(?:The above exception was|During handling of the above)|\Z)",
    re.MULTILINE | re.DOTALL,
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def masked(line: str) -> str:
    """The line without identity cards, whole phone numbers and the contents of database rows."""
    line = _ROW_CONTENTS.sub(r"\1DETAIL: (left out)", line)
    return _PHONE.sub(r"\1****\2", _IDENTITY_CARD.sub("(identity card)", line))


def print_masked(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as the log would write it (`sys.excepthook`)."""
    sys.stderr.write(masked("".join(traceback.format_exception(kind, error, trace))))


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class MaskingFormatter(logging.Formatter):
    """Masks the whole line, traceback included. A message stays in its line, and a traceback is indented: what somebody
    put into either forges no line of its own.
    """

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        return _escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  {_escaped(line)}" for line in lines)


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
            "django.security": {"level": "CRITICAL"},  # a foreign host, a body that is too large: others' faults
            "urllib3": {"level": "ERROR"},
            "axes": {"level": "WARNING"},
            "celery": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
        },
    }
