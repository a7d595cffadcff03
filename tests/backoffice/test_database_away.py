"""The database is down while an operator works."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client

from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("admin", "a long password of an operator"))
    return client


@pytest.mark.parametrize("failure", [OperationalError, InterfaceError])
def test_a_session_that_cannot_be_saved_is_503_and_no_fault_of_the_operator(
    operator: Client, failure: type[Exception]
):
    def fail(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if sql.startswith('UPDATE "config_operatorsession"'):
            raise failure("the connection is gone")
        return execute(sql, *args)

    with connection.execute_wrapper(fail):
        answer = operator.get("/admin/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert operator.get("/admin/").status_code == 200


def test_a_session_that_was_ended_meanwhile_is_no_fault_of_the_database(operator: Client):
    def end(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if sql.startswith('UPDATE "config_operatorsession"'):
            connection.cursor().connection.cursor().execute("DELETE FROM config_operatorsession")
        return execute(sql, *args)

    with connection.execute_wrapper(end):
        assert operator.get("/admin/").status_code == 400
