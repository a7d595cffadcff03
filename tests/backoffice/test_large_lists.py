"""Pages about a user with very many rows, and searches that find nothing, read a small part of the rows.

The user has 1,400 of 16,000 rows of each table. What each statement reads is bounded by less than that, in rows that a
scan visits and in pages of tables and indexes, not in time.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from config.platform import db
from tests.support.admin_pages import Operator
from tests.support.generated_rows import GROUP, USER, key
from tests.support.large_database import ROWS, large_database
from tests.support.reads import AS_WITH_A_MILLION, Read, noted_reads

SCANNED, BUFFERS = 1_100, 1_500  # a count stops at 1,000 rows; the user has more
CANCELLED = ROWS // 10
PAGES = [
    "accounts/user/{user}/change/",
    "groups/group/{group}/change/",
    "groups/group/?user={user}",
    "earnings/ledgerentry/?account__user={user}",
    "earnings/withdrawal/?user={user}",
    "feedback/problem/?user={user}",
    "groups/mention/?group={group}",
    "groups/member/?group={group}",
    "accounts/user/?inviter={user}",
    "accounts/user/?q=没有这个人",
    "accounts/operator/",
    "groups/canceljob/",
    "integrations/textmessage/?status__exact=0",
    "keywords/keywordbatch/?q=没有这个人",
    "search/?q=没有这个人",
    "search/?q=户12",
]


@pytest.fixture(scope="module")
def _large(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock(), large_database():
        yield


@pytest.fixture
def root(_large: None, db: None, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.setattr("config.backoffice.changelist.COUNT_LIMIT", 1_000)
    monkeypatch.setattr("config.backoffice.search.PART_LIMIT", 1_000)
    return Operator()


def address(where: str) -> str:
    """Return the address of a page of user 7 or group 7."""
    [(user, group)] = db.rows(f"SELECT {key(USER, '7')}, {key(GROUP, '7')}")
    return where.format(user=user, group=group)


def excess(read: Read) -> str:
    """Return what the statement read beyond the bounds."""
    # There are so few cancelled groups that PostgreSQL reads those of all users in their order.
    most = CANCELLED if '"cancelled_at" <=' in read.sql else SCANNED
    if read.scanned <= most and read.buffers <= BUFFERS:
        return ""
    return f"{read.buffers} pages, {read.scanned} rows scanned: {read.sql}"


@pytest.mark.parametrize("where", PAGES)
def test_a_page_reads_some_of_the_rows_of_a_user_with_very_many(where: str, root: Operator):
    page = address(where)
    db.execute(AS_WITH_A_MILLION)
    with noted_reads() as reads:
        root.page(page)
    assert [problem for read in reads if (problem := excess(read))] == []
