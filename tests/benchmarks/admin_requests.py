"""The requests of operators that must stay fast on big tables: for every list, with each search, filter and order.

User 7, group 7, launch 7 and ledger transaction 7 have a fifth of the rows (`tests.benchmarks.rows`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.db import connection
from django.test import Client

from config.backoffice.actions import CONFIRM
from tests.support.admin_pages import PAGES
from tests.support.generated_rows import USER, key

PEOPLE = (
    "22480359",
    "13022480359",
    "用户23",
    "用户1234",
    "u7",
    "没有这个人",
)  # 22480359: of the phone of user 2300
# list → a text of each kind that its search help names
SEARCHES: dict[str, tuple[str, ...]] = {
    "accounts/operator": ("root",),
    "accounts/user": (*PEOPLE, "union-23"),
    "config/apikey": ("bi",),
    "config/auditentry": ("root", "22480359", "用户23", "u7", "没有这个人", "{user}"),
    "config/shortlink": ("s23", "https://a/23"),
    "earnings/account": PEOPLE,
    "earnings/ledgerentry": (*PEOPLE, "c23"),
    "earnings/ledgertransaction": (*PEOPLE, "c23"),
    "earnings/payout": ("22480359", "没有这个人"),
    "earnings/withdrawal": PEOPLE,
    "feedback/conversation": PEOPLE,
    "feedback/problem": (*PEOPLE, "群23"),
    "groups/group": (*PEOPLE, "群23", "g23"),
    "groups/groupmessage": ("g23", "g7"),
    "groups/groupstatistics": ("g23", "g7", "群23"),
    "groups/member": ("g23", "g7"),
    "groups/mention": ("g23", "g7"),
    "integrations/gatewayevent": ("e23",),
    "integrations/sensitiveword": ("词23",),
    "integrations/sensitivewordimport": ("23",),
    "integrations/textmessage": ("13022480359",),
    "keywords/keywordbatch": (*PEOPLE, "词23"),
    "launches/delivery": ("g23", "g7", "t23", "t7"),
    "launches/launch": ("t23",),
    "launches/massmessage": PEOPLE,
    "launches/massmessagedraft": PEOPLE,
    "robots/friendship": PEOPLE,
    "robots/outboxmessage": ("g23", "u23", "没有这个人"),
    "robots/robot": ("助手", "r7"),
    "robots/scan": ("u23",),
}
# input of a filter → what is typed; other text inputs get TYPED
TYPED = {"actor": "root", "robot_code": "r7", "row_id": "{user}", "group_name": "群23", "channel": "wx"}
AMOUNTS = ("0.01", "1", "200")
# The pages of objects with very many rows, beside that of the first row of each list.
LARGE = {
    "accounts/user": (USER, "7"),
    "groups/group": ("groups_group", "7"),
    "launches/launch": ("launches_launch", "7"),
    "earnings/ledgertransaction": ("earnings_ledgertransaction", "7"),
    "earnings/account": ("earnings_account", "7"),
    "earnings/withdrawal": ("earnings_withdrawal", "100"),
}
OTHERS = ("", "queues/", *(f"search/?q={text}" for text in (*PEOPLE, "户12", "s23", "t23", "{user}")))


@dataclass(frozen=True)
class Page:
    """Requests of one list of the admin."""

    name: str
    addresses: tuple[str, ...]


def pages(client: Client) -> Iterator[Page]:
    """Yield the requests of the home page, of the search of all pages, and of every list."""
    values = {"user": _key(USER, "7")}
    yield Page("home, queues and search", tuple(each.format(**values) for each in OTHERS))
    for name in PAGES:
        found = dict.fromkeys(each.format(**values) for each in _of_list(client, name))
        yield Page(name, tuple(found))


def _of_list(client: Client, name: str) -> Iterator[str]:
    model_admin: Any = PAGES[name]
    changelist = client.get(f"/admin/{name}/").context_data["cl"]  # type: ignore[attr-defined]
    yield f"{name}/"
    assert bool(model_admin.search_fields) == (name in SEARCHES), f"{name}: its searches are not in SEARCHES"
    yield from (f"{name}/?q={text}" for text in SEARCHES.get(name, ()))
    for each in changelist.filter_fields:
        yield from (f"{name}/?{each.name}={value}" for value, _text, _chosen in each.options if value)
        yield from (f"{name}/{preset.address}" for preset in each.presets)
        yield from (f"{name}/?{one.name}={text}" for one in each.inputs for text in _typed(one))
    for column in model_admin.sortable_by:
        number = model_admin.list_display.index(column) + 1
        yield from (f"{name}/?o={sign}{number}" for sign in ("", "-"))
    yield from _of_rows(model_admin, name)


def _typed(field: Any) -> tuple[str, ...]:
    if field.kind == "number":
        return AMOUNTS
    return () if field.kind == "date" else (TYPED[field.name],)


def _of_rows(model_admin: Any, name: str) -> Iterator[str]:
    """Yield the pages of single rows, the lists that they are linked to, and the confirmation pages of actions."""
    rows = [quote(pk) for pk in model_admin.model._default_manager.order_by("pk").values_list("pk", flat=True)[:2]]
    large = [_key(*LARGE[name])] if name in LARGE else []
    yield from (f"{name}/{pk}/change/" for pk in rows[:1] + large)
    for label, (lookup, _title) in model_admin.reached_from.items():
        if (other := label.replace(".", "/")) in LARGE:
            yield f"{name}/?{lookup}={_key(*LARGE[other])}"
    for action in model_admin.actions:
        if rows and getattr(getattr(model_admin, action), "opens_page", False):
            chosen = [(CONFIRM, action), *((ACTION_CHECKBOX_NAME, row) for row in rows)]
            yield f"{name}/?{urlencode(chosen)}"
            yield f"{name}/?{urlencode([(CONFIRM, action), ('select_across', '1')])}"  # refused: too many


def _key(table: str, number: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {key(table, number)}")
        [(found,)] = cursor.fetchall()
    return str(found)
