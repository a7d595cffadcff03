"""Models that belong to no single app."""

from config.models.backoffice import AuditEntry, DayFigure, OperatorSession
from config.models.keys import WAITING_FOR_CONFIRMATION, ApiKey, Scope, revoke
from config.models.site import Marquee, PageVisit, ShortLink, SiteStatus
from config.models.sweeps import SweepLease

__all__ = [
    "WAITING_FOR_CONFIRMATION",
    "ApiKey",
    "AuditEntry",
    "DayFigure",
    "Marquee",
    "OperatorSession",
    "PageVisit",
    "Scope",
    "ShortLink",
    "SiteStatus",
    "SweepLease",
    "revoke",
]
