"""Days and times in Shanghai. A day lasts from midnight to midnight there, also in the accounts."""

import re
from datetime import date, datetime, time, timedelta

from django.utils import timezone

QUIET_HOURS_END = time(8)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)


def day_of(moment: datetime) -> date:
    """Return the Shanghai day of `moment`."""
    return timezone.localtime(moment).date()


def start_of(day: date) -> datetime:
    """Return the first moment of `day`."""
    return timezone.make_aware(datetime.combine(day, time.min))


def end_of(day: date) -> datetime:
    """Return the first moment after `day`."""
    return start_of(day + timedelta(days=1))


def after_quiet_hours(moment: datetime) -> datetime:
    """Return the moment, or eight o'clock for a moment between midnight and eight."""
    local = timezone.localtime(moment)
    return (
        moment
        if local.time() >= QUIET_HOURS_END
        else timezone.make_aware(datetime.combine(local.date(), QUIET_HOURS_END))
    )


def shanghai_time(moment: datetime) -> str:
    """Return the moment as text in Shanghai time, to the second."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"


def day_from(text: str) -> date:
    """Return the day written as YYYY-MM-DD. Raises ValueError for all other forms, some of which Python would accept."""
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def time_from(text: str) -> datetime:
    """Return the moment written as YYYY-MM-DD HH:MM:SS in Shanghai. Raises ValueError for anything else."""
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    return timezone.make_aware(datetime.fromisoformat(text))


def day_named(text: str) -> date:
    """Return the day of a command-line argument: YYYY-MM-DD, or "yesterday"."""
    return day_of(timezone.now()) - timedelta(days=1) if text == "yesterday" else day_from(text)
