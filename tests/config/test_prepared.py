"""Prepared statements: prepared once per connection, and the same rows without preparing."""

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from config.platform import db
from config.platform.prepared import Prepared, PreparedSql, Update, prepared
from tests.factories.money import rated_group
from tests.factories.people import UserFactory
from tests.support.client import ApiClient

pytestmark = pytest.mark.django_db
OURS = "SELECT count(*) FROM pg_prepared_statements WHERE starts_with(name, 'wxrobot')"
PREPARED_NOW = f"{OURS} AND prepare_time > %s"


def prepared_since(moment: Any) -> int:
    return db.rows(PREPARED_NOW, [moment])[0][0]


@pytest.fixture(params=[True, False])
def _prepared_or_not(request: pytest.FixtureRequest, settings: Any) -> None:
    settings.PREPARED_STATEMENTS = request.param


@prepared
def _named(nickname: str) -> Any:
    return User.objects.filter(nickname=nickname, code__contains="100%").values_list("nickname", "created_at")


@prepared
def _rename(nickname: str, other: str) -> Any:
    return Update(User.objects.filter(nickname=nickname), {"nickname": other})


def test_a_statement_is_prepared_once_per_connection():
    alice, before = UserFactory(), timezone.now()
    statement = Prepared(lambda nickname: User.objects.filter(nickname=nickname).values_list("pk"), [str])
    assert [statement.rows(alice.nickname) for _ in range(3)] == [[(alice.pk,)]] * 3
    assert prepared_since(before) == 1


@pytest.mark.django_db(transaction=True)
def test_a_new_connection_prepares_again():
    alice = UserFactory(code="100%")
    assert len(_named.rows(alice.nickname)) == 1
    connection.close()
    assert db.rows(OURS) == [(0,)]
    assert len(_named.rows(alice.nickname)) == 1


def test_nothing_is_prepared_behind_a_pool_that_changes_connections(settings: Any):
    settings.PREPARED_STATEMENTS = False
    alice, before = UserFactory(), timezone.now()
    rated_group(3, user=alice)
    assert len(ApiClient(alice).get("/groups", status=1)["data"]) == 1
    assert prepared_since(before) == 0


@pytest.mark.usefixtures("_prepared_or_not")
def test_arguments_are_only_values():
    names = ["a'b", "100%", "%s", "$1", "\\", "'; DROP TABLE accounts_user; --"]
    for number, name in enumerate(names):
        UserFactory(nickname=name, code=f"100%-{number}")
    assert [[row[0] for row in _named.rows(name)] for name in names] == [[name] for name in names]


@pytest.mark.usefixtures("_prepared_or_not")
def test_an_update_returns_how_many_rows_it_changed():
    UserFactory.create_batch(2, nickname="old")
    assert (_rename.write("old", "new"), _rename.write("old", "new")) == (2, 0)
    assert User.objects.filter(nickname="new").count() == 2


@pytest.mark.usefixtures("_prepared_or_not")
def test_sql_of_our_own_may_name_an_argument_twice():
    statement = PreparedSql(
        "UPDATE accounts_user SET nickname = %(name)s, avatar_url = %(name)s WHERE code = %(code)s",
        name=str,
        code=str,
    )
    alice = UserFactory()
    assert statement.write(name="小明", code=alice.code) == 1
    assert User.objects.filter(nickname="小明", avatar_url="小明").get() == alice


@pytest.mark.usefixtures("_prepared_or_not")
@pytest.mark.parametrize(("page", "rows"), [(0, 2), (1, 1), (2, 0), (10**17 - 1, 0)])
def test_every_page_has_the_exact_total(page: int, rows: int):
    alice = UserFactory()
    for _ in range(3):
        rated_group(3, user=alice)
    answer = ApiClient(alice).get("/groups", status=1, page_size=2, current_page=page)
    assert (len(answer["data"]), answer["page_info"]["total_records"]) == (rows, 3)


def test_a_page_may_be_as_far_away_as_the_api_allows():
    answer = ApiClient(UserFactory()).get("/groups", status=1, page_size=200, current_page=10**17)
    assert answer["page_info"]["total_records"] == 0
