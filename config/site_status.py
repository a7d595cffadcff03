"""What clients show before anything else: whether the service runs, and the marquee. Cached; history is kept."""

from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import transaction

from config.models import Marquee, SiteStatus

_STATUS, _MARQUEE = "site-status", "site-marquee"
_SECONDS = 3600


def status() -> dict[str, Any]:
    """`status` and `upgrade_end` (free text, empty while the service runs)."""
    known: dict[str, Any] | None = cache.get(_STATUS)
    if known is None:
        row = SiteStatus.objects.values("status", "upgrade_end").first()
        known = dict(row) if row else {"status": int(SiteStatus.Status.RUNNING), "upgrade_end": ""}
        cache.set(_STATUS, known, _SECONDS)
    return known


def set_status(*, status: int, upgrade_end: str, by: str, at: datetime) -> SiteStatus:
    with transaction.atomic():
        transaction.on_commit(lambda: cache.delete(_STATUS))
        return SiteStatus.objects.create(status=status, upgrade_end=upgrade_end, set_by=by, set_at=at)


def marquee() -> dict[str, Any]:
    """`is_shown` and `content`."""
    known: dict[str, Any] | None = cache.get(_MARQUEE)
    if known is None:
        row = Marquee.objects.values("is_shown", "content").first()
        known = dict(row) if row else {"is_shown": False, "content": ""}
        cache.set(_MARQUEE, known, _SECONDS)
    return known


def set_marquee(*, is_shown: bool, content: str, by: str, at: datetime) -> Marquee:
    with transaction.atomic():
        transaction.on_commit(lambda: cache.delete(_MARQUEE))
        return Marquee.objects.create(is_shown=is_shown, content=content, set_by=by, set_at=at)
