"""Logs without people's numbers, secrets and the contents of PostgreSQL's rows."""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Any, TextIO, cast

# 18 characters, or the 15 digits of cards made before 1999: region, a day with two digits of the year, a number.
_IDENTITY_CARD = re.compile(
    r"(?<!\d)(?:\d{17}[\dXx]|[1-8]\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3})(?!\d)"
)
_PHONE = re.compile(r"(?<!\d)((?:86)?1[3-9]\d)\d{4}(\d{4})(?!\d)")
# To the end of what PostgreSQL said: a value may have lines of its own.
_ROW_CONTENTS = re.compile(
    r"^(\s*)DETAIL:.*?(?=\n\s*\n\s*(?:The above exception was|During handling of the above)|\n?\Z)",
    re.MULTILINE | re.DOTALL,
)
# Secrets in the places where others' messages carry them: requests and gunicorn quote addresses and headers.
_SECRETS = (
    re.compile(r"()\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"),  # a JWT
    re.compile(r"(\bBearer\s+)[\w.~+/=-]{16,}", re.IGNORECASE),
    re.compile(r"(\b[a-z][\w+.-]{0,15}://[^\s:/@]*:)[^\s/]+(?=@)", re.IGNORECASE),  # the password of an address
    re.compile(r"(\bx-(?:api-key|gateway-token|csrftoken|xsrf-token)\W+)[^\s\"']+", re.IGNORECASE),
    re.compile(r"(\b(?:authorization|cookie)\b[\"']?\s*[:=]\s*[\"']?)[^\"'\r\n]+", re.IGNORECASE),
    re.compile(
        r"((?:\b|_)(?:token|secret|password|sessionid|wechat_proof|signature)(?:=|[\"']\s*:\s*))"
        r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'&#,;)]+)",
        re.IGNORECASE,
    ),
    re.compile(r"([?&](?:code|js_code|ticket|key|sign)=)[^\s\"'&#]+", re.IGNORECASE),
    re.compile(r"(/(?:s|user)/|\buserId=)[\w-]{24}(?![\w-])"),  # the key of a profile's completion: config/links.py
)
logger = logging.getLogger(__name__)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def masked(line: str) -> str:
    """Return the line without identity cards, whole phone numbers, secrets and the contents of database rows."""
    line = _ROW_CONTENTS.sub(r"\1DETAIL: (left out)", line)
    for shape in _SECRETS:
        line = shape.sub(r"\1***", line)
    return _PHONE.sub(r"\1****\2", _IDENTITY_CARD.sub("(identity card)", line))


def one_line(text: str) -> str:
    """Return the text with its control characters written out: it ends no line and moves no cursor."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _indented(text: str) -> str:
    """Return the lines of a traceback such that none of them looks like a line of the log."""
    return "\n".join(f"  {one_line(line)}" for line in text.rstrip("\n").split("\n"))


class MaskedStream:
    """A text stream that masks what is written; everything else is the original's."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(masked(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def mask_output(*, stdout: bool) -> None:
    """Mask what this process writes past its loggers: exceptions that nobody caught, and what libraries print.

    With `stdout`, standard output too; management commands answer there, and some answer with a new password or key.
    """
    sys.excepthook = print_masked
    threading.excepthook = _log_end_of_thread
    sys.unraisablehook = _log_unraisable
    for name in ("stderr", "stdout") if stdout else ("stderr",):
        stream = getattr(sys, name)
        if not isinstance(stream, MaskedStream):
            setattr(sys, name, cast(TextIO, MaskedStream(stream)))


def print_masked(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as the log would write it (`sys.excepthook`)."""
    text = masked("".join(traceback.format_exception(kind, error, trace)))
    sys.stderr.write(f"Ended by {kind.__name__}:\n{_indented(text)}\n")


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        name = ended.thread.name if ended.thread else "?"
        what = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        logger.critical("The thread %s ended by an exception", name, exc_info=what)


def _log_unraisable(ignored: "sys.UnraisableHookArgs") -> None:
    if ignored.exc_value is not None:
        where = getattr(ignored.object, "__qualname__", type(ignored.object).__name__)
        what = (ignored.exc_type, ignored.exc_value, ignored.exc_traceback)
        logger.error("An exception was ignored in %s", where, exc_info=what)


class MaskingFormatter(logging.Formatter):
    """Masks the whole line, traceback included. A message stays in its line, and a traceback is indented: what somebody
    put into either forges no line of its own.
    """

    def format(self, record: logging.LogRecord) -> str:
        kept, record.exc_text = record.exc_text, None  # a traceback that another formatter kept is not ours
        try:
            return masked(super().format(record))
        except Exception as error:  # noqa: BLE001 - logging would print the message and its arguments as they are
            kind = type(error).__name__
            return f"A message of {record.name} cannot be written ({record.pathname}:{record.lineno}: {kind})"
        finally:
            record.exc_text = kept

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        return one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return _indented(super().formatException(ei))


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
