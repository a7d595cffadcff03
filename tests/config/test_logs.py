"""People's numbers never reach a log."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import IntegrityError

from accounts.models import User
from config.logs import MaskingFormatter
from tests.factories.people import UserFactory

PROJECT = Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize("mark", ["\n", "\r\n", "\x1b[31m", "\x00", "\u2028", "\x85", "\u202e", "\x9b"])
def test_a_message_forges_no_line_and_moves_no_cursor(mark: str):
    line = logged(f"GET /user/abc{mark}2026-11-26 23:59:59,000 CRITICAL earnings: FAKE")
    assert mark not in line
    assert len(line.splitlines()) == 1


def test_what_an_exception_says_forges_no_line_of_the_log():
    try:
        raise ValueError("x\n2026-11-26 23:59:59,000 CRITICAL earnings: FAKE\x1b[31m")
    except ValueError as error:
        text = logged("fault", (ValueError, error, error.__traceback__))
    first, *rest = text.splitlines()
    assert first == "fault"
    assert all(line.startswith("  ") for line in rest)
    assert "\x1b" not in text


@pytest.mark.django_db
def test_the_contents_of_a_row_with_lines_of_its_own_are_left_out():
    UserFactory(phone="13800138000")
    with pytest.raises(IntegrityError) as caught:
        User.objects.create(phone="13800138000", nickname="first\n\nsecret-line")
    error = type(caught.value)(f"{caught.value}\nDETAIL:  Failing row contains (a\n\nsecret-line, 1).")
    text = logged("fault", (type(error), error, None))
    assert "secret-line" not in text


def test_a_foreign_host_is_no_fault_of_ours(client, caplog):
    assert client.get("/app/status", headers={"Host": "evil.com"}).status_code == 400
    assert caplog.records == []


def test_a_command_that_fails_prints_no_contents_of_rows():
    fault = "IntegrityError('duplicate key\\nDETAIL:  Failing row contains (13800138000, s3cret\\nmore).')"
    argv = [sys.executable, "manage.py", "shell", "-c", f"from django.db import IntegrityError; raise {fault}"]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert "IntegrityError" in done.stderr
    assert "s3cret" not in done.stderr
    assert "more)" not in done.stderr
