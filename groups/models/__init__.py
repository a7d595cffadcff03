"""Groups, their members, messages, statistics and star ratings."""

from groups.models.cancel_job import CancelJob
from groups.models.group import CancelReason, Group
from groups.models.member import Member
from groups.models.message import GroupMessage, Mention
from groups.models.note import GroupNote
from groups.models.paid_days import PaidDays
from groups.models.reminder import Reminder
from groups.models.star import ArticlePrice, RatingState, StarPlan, StarRating
from groups.models.statistics import GroupStatistics, MemberMove

__all__ = [
    "ArticlePrice",
    "CancelJob",
    "CancelReason",
    "Group",
    "GroupMessage",
    "GroupNote",
    "GroupStatistics",
    "Member",
    "MemberMove",
    "Mention",
    "PaidDays",
    "RatingState",
    "Reminder",
    "StarPlan",
    "StarRating",
]
