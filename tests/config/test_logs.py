"""People's numbers never reach a log."""

import logging

import pytest
from django.db import IntegrityError

from accounts.models import User
from config.logs import MaskingFormatter
from tests.factories.people import UserFactory


def logged(message: str, exc_info: object = None) -> str:
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, message, (), exc_info)
    return MaskingFormatter("%(message)s").format(record)


def test_identity_cards_are_left_out():
    assert logged("card 44052418800101001X of alice") == "card (identity card) of alice"


def test_identity_cards_of_old_are_left_out():
    assert logged("card 440524880101001 of alice") == "card (identity card) of alice"


@pytest.mark.parametrize(
    "number", ["440524881301001", "440524880100001", "1764007284000", "1764007284000123", "0.01"]
)
def test_numbers_that_hold_no_day_of_birth_stay(number: str):
    assert logged(f"took {number} of 20261124180124") == f"took {number} of 20261124180124"


def test_phones_are_masked():
    assert logged("sent to 13800138000") == "sent to 138****8000"


@pytest.mark.parametrize("number", ["+8613800138000", "8613800138000"])
def test_phones_with_the_countrys_number_are_masked_too(number: str):
    assert "138****8000" in logged(f"sent to {number}")


def test_other_numbers_stay():
    assert logged("withdrawal 20261123 of 1900000001") == "withdrawal 20261123 of 1900000001"


@pytest.mark.django_db
def test_the_contents_of_a_database_row_are_left_out():
    UserFactory(phone="13800138000", nickname="secret-nickname")
    with pytest.raises(IntegrityError) as caught:
        User.objects.create(phone="13800138000", nickname="secret-nickname")
    assert "13800138000" in str(caught.value)
    line = logged("fault", (type(caught.value), caught.value, caught.value.__traceback__))
    assert "IntegrityError" in line
    assert "13800138000" not in line
