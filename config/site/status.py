"""The status of the service and the marquee, which clients show first. Both are cached, and their history is stored."""

from datetime import datetime
from typing import Any

from django.db import transaction

from config.models import Marquee, SiteStatus
from config.platform.cache import delete_cached, kept

_STATUS, _MARQUEE = "site-status", "site-marquee"
_SECONDS = 10  # the longest time that a replaced value stays visible when its deletion from Redis fails


def status() -> dict[str, Any]:
    """Return the current `status` and `upgrade_end` (free text, empty while the service runs)."""
    return kept(_STATUS, _SECONDS, _current_status)


def _current_status() -> dict[str, Any]:
    row = SiteStatus.objects.values("status", "upgrade_end").first()
    return dict(row) if row else {"status": int(SiteStatus.Status.RUNNING), "upgrade_end": ""}


def set_status(*, status: int, upgrade_end: str, by: str, at: datetime) -> SiteStatus:
    with transaction.atomic():
        transaction.on_commit(lambda: delete_cached(_STATUS))
        return SiteStatus.objects.create(status=status, upgrade_end=upgrade_end, set_by=by, set_at=at)


def marquee() -> dict[str, Any]:
    """Return the current `is_shown` and `content`."""
    return kept(_MARQUEE, _SECONDS, _current_marquee)


def _current_marquee() -> dict[str, Any]:
    row = Marquee.objects.values("is_shown", "content").first()
    return dict(row) if row else {"is_shown": False, "content": ""}


def set_marquee(*, is_shown: bool, content: str, by: str, at: datetime) -> Marquee:
    with transaction.atomic():
        transaction.on_commit(lambda: delete_cached(_MARQUEE))
        return Marquee.objects.create(is_shown=is_shown, content=content, set_by=by, set_at=at)
