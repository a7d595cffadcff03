"""Pauses of keyword batches by operators. A paused batch keeps its keywords, groups and trigger count."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from keywords.models import KeywordBatch


def pause_batches(keys: Iterable[UUID], *, reason: str, by: str, at: datetime) -> int:
    """Pause these batches, except those paused before. Returns how many were paused. Replies being written end first."""
    active = KeywordBatch.objects.filter(pk__in=list(keys), paused_at=None)
    return active.update(paused_at=at, paused_by=by, pause_reason=reason)


def resume_batches(keys: Iterable[UUID]) -> int:
    """Resume these batches. Returns how many were paused."""
    paused = KeywordBatch.objects.filter(pk__in=list(keys), paused_at__isnull=False)
    return paused.update(paused_at=None, paused_by="", pause_reason="")
