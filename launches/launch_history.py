"""Launches that went to a user's groups, read in a fixed number of queries."""

from typing import Any
from uuid import UUID

from django.db.models import Case, Exists, OuterRef, Value, When

from accounts.models import User
from accounts.queries import Listing, UserList, listing
from config.errors import NotFound
from config.platform.prepared import CountOf
from launches.models import Delivery, Launch


class LaunchUnknown(NotFound):
    field = "task_id"
    message = "没有找到这次投放"


@UserList
def listed_launches(user_id: UUID) -> Listing:
    """Return the launches that went to groups of the user, newest first."""
    own = Delivery.objects.to_groups_of(user_id)
    of_launch = own.filter(launch=OuterRef("pk"))
    is_waiting = Exists(of_launch.filter(status=Delivery.Status.WAITING))
    return listing(
        Launch.objects.filter(pk__in=own.values("launch_id")).order_by("-received_at", "pk"),
        "id",
        "received_at",
        group_count=CountOf(of_launch.values("pk")),
        is_finished=Case(When(is_waiting, then=Value(0)), default=Value(1)),
    )


def launch_of_user(user: User, reference: str) -> dict[str, Any]:
    """Return a launch with the names of the user's groups. Raises LaunchUnknown (1404) when it went to none of them."""
    launch = Launch.objects.by_reference(reference).first()
    deliveries = Delivery.objects.to_groups_of(user).filter(launch=launch).order_by("pk")
    names = list(deliveries.values_list("group__name", flat=True)) if launch else []
    if launch is None or not names:
        raise LaunchUnknown
    return {"group_names": names, "items": launch.items, "received_at": launch.received_at}
