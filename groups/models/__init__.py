"""Groups, who is in them, what is said there, how good they are."""

from groups.models.cancel_job import Awakening, CancelJob
from groups.models.group import CancelReason, Group
from groups.models.member import Member
from groups.models.message import GroupMessage, Mention
from groups.models.star import ArticlePrice, RatingState, StarPlan, StarRating
from groups.models.statistics import GroupStatistics, MemberMove

__all__ = [
    "ArticlePrice",
    "Awakening",
    "CancelJob",
    "CancelReason",
    "Group",
    "GroupMessage",
    "GroupStatistics",
    "Member",
    "MemberMove",
    "Mention",
    "RatingState",
    "StarPlan",
    "StarRating",
]
