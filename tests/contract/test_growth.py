"""No operation reads more because other users have more rows.

One owner has 1,400 of 16,000 groups, mentions, withdrawals and so on. Each statement that an operation sends for this owner is
explained, and what it reads is bounded by its answer and by the owner's rows: in pages of tables and indexes, not in time.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from accounts.models import User
from config.platform import db
from tests.contract.calling import credential_of, send
from tests.contract.objects import Objects
from tests.contract.operations import OPERATIONS
from tests.contract.table import Call, Operation
from tests.factories.money import credit
from tests.support.large_database import OWN, OWNER, large_database
from tests.support.reads import AS_WITH_A_MILLION, Read, noted_reads

# Pages that a statement may read: to find a row, or to write one with its indexes; for each row that it returns, which may be
# looked up by its key, and columns from three other tables too, at three pages a look-up; and for each of the owner's rows,
# which are counted, and skipped before page 50, in an index that has more than ten of them on a page.
FIXED, FOR_A_ROW, FOR_AN_OWN_ROW = 150, 12, 0.1
# Operations that look each of the owner's rows up: launches are sorted by a column of another table than the one that names
# the user; each apprentice has apprentices. Everywhere else an index has the order of the list, and only the page is sorted.
LOOKED_UP = {"/launch/history": 6, "/launch/switch": 6, "/user/groups/disciples": 4}
READING = [one for one in OPERATIONS if one.method == "GET" or one.scope == "backoffice:read"]


@pytest.fixture(scope="module")
def _large(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock(), large_database():
        yield


@pytest.fixture
def owned(_large: None, objects: Objects) -> Objects:
    """Return the objects of good calls; alice is the large owner."""
    [(user_id,)] = db.rows(f"SELECT {OWNER}")
    objects.alice = User.objects.get(pk=user_id)
    credit(objects.alice, "50")
    return objects


def calls_of(operation: Operation, objects: Objects) -> list[Call]:
    """Return the good call, of a list its first page and page 50. The lists of all users are filtered by the owner's phone."""
    call = operation.good_call(objects)
    if operation.scope == "backoffice:read":
        call = replace(call, body={"phone": objects.alice.phone})
    pages = [{"current_page": page, "page_size": 20} for page in (0, 50)] if operation.paged else [{}]
    return [replace(call, query=call.query | page) for page in pages]


def excess(operation: Operation, read: Read) -> str:
    """Return what the statement read beyond its bound."""
    own = OWN * LOOKED_UP.get(operation.path, FOR_AN_OWN_ROW)
    allowed = FIXED + FOR_A_ROW * read.returned + own
    sortable = OWN if operation.path in LOOKED_UP else 20 + 2 * read.returned
    if read.buffers <= allowed and read.scanned <= 2 * OWN and read.sorted <= sortable:
        return ""
    return f"{read.buffers} pages of {allowed:.0f}, {read.scanned} rows scanned, {read.sorted} sorted: {read.sql}"


@pytest.mark.parametrize("plan", ["custom", "generic"])
@pytest.mark.parametrize("operation", READING, ids=str)
def test_an_operation_reads_only_what_is_the_callers(operation: Operation, plan: str, owned: Objects):
    calls, headers = calls_of(operation, owned), credential_of(operation, owned)
    db.execute(f"SET LOCAL plan_cache_mode = force_{plan}_plan;{AS_WITH_A_MILLION}")
    with noted_reads() as reads:
        responses = [send(operation, call, headers) for call in calls]
    assert {response.status_code for response in responses} <= {200, 302}
    assert [problem for read in reads if (problem := excess(operation, read))] == []
