"""The user's groups, and the rating system's door."""

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import signed_in
from config.api import reading
from config.api.paging import paged
from config.api.permissions import IsUser, needs
from config.api.schema import operation
from config.api.views import OperationViews
from config.models import Scope
from groups import listing, stars
from groups.models import Group
from groups.serializers import GroupsFilter, ListedGroup, RatingBatch


class GroupViews(OperationViews[Group]):
    """The groups that the user pulled a robot into."""

    permission_classes = (IsUser,)

    @operation("用户群列表", query=GroupsFilter, answer=ListedGroup(many=True), paged=True)
    def list(self, request: Request) -> Response:
        rated = reading.query(request, GroupsFilter)["status"] == "1"
        groups = Group.objects.served_for(signed_in(request)).select_related("robot").order_by("-bound_at", "pk")
        chosen = groups.rated() if rated else groups.unrated()
        return paged(request, chosen, lambda page: ListedGroup(listing.shown(page, rated=rated), many=True).data)


class StarViews(OperationViews[Group]):
    """The rating system tells what groups are worth: all of a batch, or none."""

    permission_classes = (needs(Scope.STARS_WRITE, "groups.change_group"),)

    @operation("群星级评定", body=RatingBatch, description="整批生效或整批不生效;出错时说明是哪一项。")
    def create(self, request: Request) -> Response:
        told = reading.body(request, RatingBatch)["data"]
        ratings = [stars.Rating(one["groupId"], one["star"], one["state"]) for one in told]
        stars.rate(ratings, at=timezone.now())
        return Response(None)
