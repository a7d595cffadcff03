"""Lists of the API: a user's groups, and problem reports for the back office."""

from typing import Any

from accounts.models import User
from config.models import Scope
from tests.support.client import ApiClient
from tests.support.entry_points import key_with


def listed_groups(user: User, status: int = 1) -> list[dict[str, Any]]:
    return ApiClient(user).get("/groups", status=status)["data"]


def listed_problems(**filters: Any) -> list[dict[str, Any]]:
    return key_with(Scope.BACKOFFICE_READ).post("/admin/problem/feedback", filters)["data"]
