"""The API's lists of a large owner beside a million rows of others against sixteen thousand: first page and page 50.

Both databases are on one server; the small one is a copy made before the big one grew. Each page is read with its exact count.
GROWTH_ROWS=100000 grows less.
"""

import os
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.authentication import issue_token
from accounts.models import User
from config.api.keys import issue_key
from config.models import Scope
from config.platform import db
from tests.benchmarks.harness import compare, run
from tests.support.generated_rows import insert_robots
from tests.support.large_database import OWNER, ROWS, fill_tables

BIG = int(os.environ.get("GROWTH_ROWS", "1000000"))
PAGED = (
    "/groups?status=1",
    "/owner/groups?",
    "/groups/statistics?",
    "/groups/welcome?",
    "/user/apprentice?leave=1",
    "/user/apprentice?leave=2",
    "/alt_msg?",
    "/launch/history?",
    "/tasks/messages?direction=up",
)
WHOLE = ("/keywords", "/user/groups/disciples", "/user/robots", "/profit", "/profit/slip", "/withdraw")
BACK_OFFICE = ("/admin/withdraw?", "/admin/problem/feedback?")  # filtered by the owner's phone
CALLS = 20  # in a turn
FIRST_AT_LEAST, PAGE_50_AT_LEAST = 1 / 1.1, 1 / 2
Call = Callable[[], Any]


class Side:
    """A database. `enter` connects to it and prepares its statements, which is not measured."""

    def __init__(self, name: str, call: Call) -> None:
        self.name, self.call = name, call

    def enter(self) -> None:
        if connection.settings_dict["NAME"] != self.name:
            connection.close()
            connection.settings_dict["NAME"] = self.name
        self.read_once()

    def read_once(self) -> None:
        response = self.call()
        assert response.json()["code"] == 1200, response.content

    def read(self) -> None:
        for _ in range(CALLS):
            self.read_once()


def compare_sides(what: str, big: str, small: str, call: Call, *, at_least: float) -> None:
    ours, floor = Side(big, call), Side(small, call)
    compare(
        what,
        ours=ours.read,
        floor=floor.read,
        prepare=ours.enter,
        prepare_floor=floor.enter,
        at_least=at_least,
        rounds=9,
    )


def make_databases() -> tuple[str, str]:
    """Return the names of the big and the small database."""
    big = str(connection.settings_dict["NAME"])
    insert_robots()
    fill_tables(1, ROWS)
    connection.close()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {big}_small TEMPLATE {big}")
    fill_tables(ROWS + 1, BIG)
    return big, f"{big}_small"


def main() -> None:
    settings.ENFORCE_AUTH = True
    settings.THROTTLE_RATES = dict.fromkeys(settings.THROTTLE_RATES, "1000000/60")
    key = issue_key("growth", [Scope.BACKOFFICE_READ], confirmed_at=timezone.now())
    big, small = make_databases()
    [(user_id,)] = db.rows(f"SELECT {OWNER}")
    owner = User.objects.get(pk=user_id)
    client = Client(headers={"host": "127.0.0.1"})
    token, key_header = {"Authorization": f"Bearer {issue_token(owner)}"}, {"X-Api-Key": key}

    def get(path: str) -> Call:
        return lambda: client.get(path, headers=token)

    def listed(path: str) -> Call:
        body = {"phone": owner.phone}
        return lambda: client.post(path, body, content_type="application/json", headers=key_header)

    for path in WHOLE:
        compare_sides(path, big, small, get(path), at_least=FIRST_AT_LEAST)
    for paths, call in ((PAGED, get), (BACK_OFFICE, listed)):
        for path in paths:
            for page, at_least in ((0, FIRST_AT_LEAST), (50, PAGE_50_AT_LEAST)):
                where = f"{path}&current_page={page}"
                compare_sides(where, big, small, call(where), at_least=at_least)


if __name__ == "__main__":
    run(main)
