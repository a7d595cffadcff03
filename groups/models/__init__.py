"""Groups, who is in them, and how good they are."""

from groups.models.group import CancelReason, Group, GroupQuerySet
from groups.models.member import Member
from groups.models.star import ArticlePrice, RatingState, StarPlan, StarRating

__all__ = [
    "ArticlePrice",
    "CancelReason",
    "Group",
    "GroupQuerySet",
    "Member",
    "RatingState",
    "StarPlan",
    "StarRating",
]
