"""Launches of advertisers, mass messages of users, and changes of launch switches."""

from launches.models.launch import Delivery, Launch, LaunchItemType, ResultReport
from launches.models.mass_message import MassMessage, MassMessageDraft, MassMessageGroup, ScheduledSending
from launches.models.switch import SwitchChange

__all__ = [
    "Delivery",
    "Launch",
    "LaunchItemType",
    "MassMessage",
    "MassMessageDraft",
    "MassMessageGroup",
    "ResultReport",
    "ScheduledSending",
    "SwitchChange",
]
