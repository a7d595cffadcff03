"""Launches that went to a user's groups, read in a fixed number of queries."""

from typing import Any

from django.db.models import Count, F, Q, QuerySet

from accounts.models import User
from config.errors import NotFound
from launches.models import Delivery, Launch


class LaunchUnknown(NotFound):
    field = "task_id"
    message = "没有找到这次投放"


def launches_of_user(user: User) -> QuerySet[Any, Any]:
    """Return a row per launch that went to groups of the user, newest first."""
    waiting = Count("pk", filter=Q(status=Delivery.Status.WAITING))
    return (
        Delivery.objects.to_groups_of(user)
        .values("launch_id", received_at=F("launch__received_at"))
        .annotate(group_count=Count("pk"), waiting_count=waiting)
        .order_by("-received_at", "launch_id")
    )


def launch_of_user(user: User, reference: str) -> dict[str, Any]:
    """Return a launch with the names of the user's groups. Raises LaunchUnknown (1404) when it went to none of them."""
    launch = Launch.objects.by_reference(reference).first()
    deliveries = Delivery.objects.to_groups_of(user).filter(launch=launch).order_by("pk")
    names = list(deliveries.values_list("group__name", flat=True)) if launch else []
    if launch is None or not names:
        raise LaunchUnknown
    return {"group_names": names, "items": launch.items, "received_at": launch.received_at}
