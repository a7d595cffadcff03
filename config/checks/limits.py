"""Checks of numbers in the settings that would disable a protection or stop the service."""

import re

from django.conf import settings
from django.core.checks import CheckMessage, Error

# The highest average rates that still protect: 1000000/1 is not a limit. Each SMS costs money.
_MOST_PER_SECOND = 500.0
_MOST_SMS_PER_SECOND = 0.1
_SMS_SCOPES = ("sms", "sms_day")


def check_limits() -> list[CheckMessage]:
    """Return an error for each number out of range, and for a log level that would log users' texts."""
    ranges = {
        "TRUSTED_PROXIES": (settings.TRUSTED_PROXIES, 0, 5),
        "OPERATOR_SIGN_IN_TRIES": (settings.AXES_FAILURE_LIMIT, 1, 20),
        "OPERATOR_LOCKOUT_MINUTES": (settings.AXES_COOLOFF_TIME.total_seconds() / 60, 1, 24 * 60),
        "OPERATOR_SESSION_MINUTES": (settings.SESSION_COOKIE_AGE / 60, 1, 24 * 60),
    }
    errors: list[CheckMessage] = [
        Error(f"{name} must be {least} to {most}.", hint=f"Set {name}.", id="wxrobot.E014")
        for name, (value, least, most) in ranges.items()
        if not least <= value <= most
    ]
    for scope, rate in settings.THROTTLE_RATES.items():
        name, most = f"THROTTLE_{scope.upper()}", _MOST_SMS_PER_SECOND if scope in _SMS_SCOPES else _MOST_PER_SECOND
        if not _is_rate(rate, most):
            text = f"{name} must be times/seconds, such as 10/60, and at most {most:g} a second."
            errors.append(Error(text, hint=f"Set {name}.", id="wxrobot.E015"))
    if settings.LOG_LEVEL.upper() not in ("INFO", "WARNING", "ERROR", "CRITICAL"):
        text = "LOG_LEVEL must be INFO or higher: below it, logs hold what people wrote."
        errors.append(Error(text, hint="Set LOG_LEVEL=INFO.", id="wxrobot.E017"))
    return errors


def _is_rate(rate: str, most: float) -> bool:
    match = re.fullmatch("([1-9][0-9]{0,6})/([1-9][0-9]{0,6})", rate)
    return match is not None and int(match[1]) / int(match[2]) <= most
