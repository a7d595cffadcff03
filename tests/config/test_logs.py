"""Personal numbers and secrets are masked in logs."""

import logging
from pathlib import Path

import pytest
from django.db import IntegrityError

from accounts.models import User
from config.local.supervisor import Console
from config.platform.logging import MaskingFormatter
from tests.factories.people import UserFactory
from tests.support.processes import run_python


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


def test_the_message_of_an_exception_forges_no_line_of_the_log():
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
    argv = ["manage.py", "shell", "-c", f"from django.db import IntegrityError; raise {fault}"]
    done = run_python(*argv, name="shell")
    assert "IntegrityError" in done.stderr
    assert "s3cret" not in done.stderr
    assert "more)" not in done.stderr


SECRETS = {
    "token": ("got eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiMSJ9.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
    "bearer": ("Authorization: Bearer abcdefgh-01234567", "abcdefgh"),
    "database": ("no answer of postgres://app:pa-ss@db/wxrobot", "pa-ss"),
    "redis": ("no answer of redis://:pa-ss@redis:6379/0", "pa-ss"),
    "address": ("url: /sns/oauth2/access_token?appid=wx1&secret=s3cret&code=0a1b", "s3cret"),
    "oauth code": ("url: /sns/oauth2/access_token?appid=wx1&code=0a1b2c", "0a1b2c"),
    "json": ("{'password': 'two words'}", "words"),
    "header": ("headers {'X-Gateway-Token': 's3cret'}", "s3cret"),
    "cookie": ("Cookie: sessionid=abc; csrftoken=def", "def"),
    "completion": ("GET /user/abcdefghijklmnop_QRSTUVW", "QRSTUVW"),
}


@pytest.mark.parametrize(("line", "secret"), SECRETS.values(), ids=SECRETS)
def test_secrets_are_left_out(line: str, secret: str):
    assert secret not in logged(line)
    assert "***" in logged(line)


@pytest.mark.parametrize(
    "line", ["GET /user/apprentice", "Set GATEWAY_TOKEN: see .env.example", "code=1403", "a cookie"]
)
def test_lines_that_only_mention_secrets_are_unchanged(line: str):
    assert logged(line) == line


def test_a_message_whose_arguments_do_not_fit_shows_none_of_them():
    record = logging.LogRecord("earnings", logging.ERROR, "x.py", 1, "%d yuan", ("13800138000",), None)
    assert MaskingFormatter("%(message)s").format(record) == (
        "A message of earnings cannot be written (x.py:1: TypeError)"
    )


def test_a_traceback_that_another_formatter_kept_is_written_anew():
    try:
        raise ValueError("x\n2026-11-26 CRITICAL FAKE")
    except ValueError as error:
        what = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "fault", (), what)
    plain = logging.Formatter().format(record)
    assert "\n2026-11-26 CRITICAL FAKE" in plain
    assert "\n2026-11-26 CRITICAL FAKE" not in MaskingFormatter("%(message)s").format(record)
    assert logging.Formatter().format(record) == plain


ENDS = {
    "thread": "import threading; thread = threading.Thread(target=fail); thread.start(); thread.join()",
    "destructor": "type('A', (), {'__del__': lambda self: fail()})()",
    "warning": "import warnings; warnings.warn('of 13800138000')",
    "command": "from django.core.management import CommandError; raise CommandError('of 13800138000')",
    "print": "import sys; print('of 13800138000', file=sys.stderr)",
    "log": "import logging; logging.getLogger('x').error('%d yuan of %s', 'x', '13800138000')",
    "exception": "fail()",
}
FAIL = """
def fail():
    raise ValueError("of 138" "00138000\\n2026-11-26 23:59:59,000 CRITICAL earnings: FAKE")
"""


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_output_of_a_command_outside_its_log_is_masked(code: str):
    argv = ["manage.py", "shell", "--verbosity=0", "-c", f"{FAIL}globals()['fail'] = fail\n{code}"]
    done = run_python(*argv, name="shell")
    assert done.stderr
    assert "13800138000" not in done.stderr
    assert "\n2026-11-26 23:59:59,000 CRITICAL" not in done.stderr


def test_logs_of_celery_tasks_are_masked(tmp_path: Path):
    code = (
        "from config.celery import app; app.log.setup('WARNING', redirect_stdouts=True); "
        "from celery.utils.log import get_task_logger; "
        "get_task_logger('x').error('phone %s\\n2026 CRITICAL', '138' + '00138000'); print('phone', '138' + '00138000')"
    )
    done = run_python("-c", code, name="worker")
    written = done.stderr + done.stdout
    assert written.count("138****8000") == 2, written
    assert "13800138000" not in written
    assert "\n2026 CRITICAL" not in written


def test_the_supervisor_masks_what_its_children_print(capsys):
    Console().log("web", "libpq: phone 13800138000\x1b[31m")
    assert capsys.readouterr().out == "web     | libpq: phone 138****8000\\x1b[31m\n"
