"""Pages of launches, deliveries, mass messages and drafts for operators."""

from launches.admin.launches import DeliveryAdmin, LaunchAdmin, ResultReportAdmin
from launches.admin.mass_messages import MassMessageAdmin, MassMessageDraftAdmin, ScheduledSendingAdmin

__all__ = [
    "DeliveryAdmin",
    "LaunchAdmin",
    "MassMessageAdmin",
    "MassMessageDraftAdmin",
    "ResultReportAdmin",
    "ScheduledSendingAdmin",
]
