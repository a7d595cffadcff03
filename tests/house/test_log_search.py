"""The search for secrets in the logs of the session finds each kind of them, and the session fails for one."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.support.log_search import search
from tests.support.paths import PROJECT
from tests.support.processes import run_process
from tests.support.secrets_in_use import SETTINGS, note_call, note_setting, noted

JWT = ".".join(("eyJhbGciOiJIUzI1NiJ9", "eyJ1c2VyX2lkIjoiMSJ9", "c2ln"))
PLANTED = {
    "phone": "sent to " + "138" + "00138000",
    "identity card": "card " + "440524188001" + "01001X of",
    "token": f"issued {JWT}",
    "bearer credential": "Bearer " + "0123456789abcdef",
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "password of an address": "postgres://app:" + "geheim@db/wxrobot",
    "secret in an address": "GET /wechat/user_info?app_id=x&" + "code=0a1b2c",
    "key of a completion": "/home?userId=" + "abcdefghijklmnopqrstuvwx",
    "contents of a row": "DETAIL:  " + "Key (phone)=(x) already exists.",
}
NOTED = {
    "password": ("password", "a-Long-Word-7", "typed a-Long-Word-7!"),
    "real name": ("real name", "王小明", "payee 王小明 refused"),
    "one-time code": ("one-time code", "402517", "code 402517 of"),
    "cookie": ("cookie", "k3v9x0q2m5n8", "sessionid: k3v9x0q2m5n8"),
}


def found(tmp_path: Path, text: str, *values: tuple[str, str]) -> list[tuple[str, str]]:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.log").write_text(f"fine\n{text}\nfine\n")
    return search(tmp_path, values).found


@pytest.mark.parametrize("kind", PLANTED)
def test_a_secret_with_a_shape_is_found(tmp_path: Path, kind: str):
    assert ("sub/a.log", kind) in found(tmp_path, PLANTED[kind])


@pytest.mark.parametrize(("kind", "value", "line"), NOTED.values(), ids=NOTED)
def test_a_noted_value_is_found(tmp_path: Path, kind: str, value: str, line: str):
    assert found(tmp_path, line, (kind, value)) == [("sub/a.log", kind)]


@pytest.mark.parametrize(
    "line",
    [
        "138****8000 and (identity card)",
        "Bearer ***",
        "postgres://app:***@db",
        "/s/***?code=***",
        "message 402517 sent",
        "DETAIL: (left out)",
        "bill 20261126180124000123 of 1764007284000",
    ],
)
def test_masked_values_and_plain_numbers_are_not_secrets(tmp_path: Path, line: str):
    assert found(tmp_path, line, ("one-time code", "402517")) == []


def test_a_password_may_be_shown_once_and_not_again(tmp_path: Path):
    shown = "Password:   aB3_dE5-gH7x   (shown once; change it)"
    assert found(tmp_path, shown) == []
    (tmp_path / "b.log").write_text("POST password aB3_dE5-gH7x")
    assert search(tmp_path, []).found == [("b.log", "password")]


def test_a_report_counts_lines_and_names_no_value(tmp_path: Path):
    found(tmp_path, PLANTED["phone"])
    report = search(tmp_path, [])
    assert str(report) == "logs: 3 lines of 1 processes read, 1 secrets"
    assert "138001" not in repr(report)


@pytest.mark.parametrize(
    ("body", "kind", "value"),
    [
        (json.dumps({"password": "Noted-by-json-1"}), "password", "Noted-by-json-1"),
        ("new_password1=Noted-by-form-2", "password", "Noted-by-form-2"),
        (json.dumps([{"id_number": "x", "name": "欧阳试名"}]), "real name", "欧阳试名"),
        ("TemplateParam=%7B%22code%22%3A%22839406%22%7D", "one-time code", "839406"),
        (
            '--x\r\nContent-Disposition: form-data; name="password"\r\n\r\nNoted-by-part-3\r\n--x--\r\n',
            "password",
            "Noted-by-part-3",
        ),
    ],
)
def test_values_under_secret_names_are_recorded(body: str, kind: str, value: str):
    note_call("/", {}, body)
    assert (kind, value) in noted()


def test_keys_of_calls_and_of_settings_are_noted():
    note_call("/", {"X-Api-Key": "noted-key-of-a-call"}, None)
    note_setting("DATABASE_URL", "postgres://app:noted-of-database@db/x")
    note_setting("WECHAT_APPS", {"wx1": "noted-of-an-app"})
    assert {value for _, value in noted()} >= {"noted-key-of-a-call", "noted-of-database", "noted-of-an-app"}


def test_every_setting_that_holds_a_secret_is_noted():
    source = (PROJECT / "config/settings.py").read_text()
    names = set(re.findall(r"^([A-Z][A-Z0-9_]*): (?:str|list|dict)", source, re.MULTILINE))
    secret = {name for name in names if re.search(r"(SECRET(_KEY)?|TOKEN|KEYS?|FALLBACKS|_APPS)$", name)}
    assert secret - {"WECHAT_PAY_MORE_KEYS"} <= set(SETTINGS)  # that one holds public keys


def test_a_session_whose_process_writes_a_secret_fails(tmp_path: Path):
    (tmp_path / "test_it.py").write_text(
        "import sys\nfrom tests.support.processes import run_process\n"
        "def test_it():\n"
        "    assert run_process([sys.executable, '-c', 'print(13800000000 + 138000)'], 'leaky').returncode == 0\n"
    )
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "--rootdir",
        str(PROJECT),
        "-c",
        "pyproject.toml",
        "-p",
        "no:cacheprovider",
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = run_process([*argv, str(tmp_path / "test_it.py")], "pytest", env=env, timeout=120)
    assert "1 passed" in done.stdout
    assert re.search(r"^logs: phone in main-\d+-leaky[.]log$", done.stdout, re.MULTILINE)
    assert done.returncode == 1


def test_every_process_of_the_tests_is_started_where_its_log_is_kept():
    files = [path for path in (PROJECT / "tests").rglob("*.py") if "benchmarks" not in path.parts]
    starters = r"subprocess\.(?:Popen|run|call|check_\w+)\(|(?:^| )Popen\(|os\.(?:system|popen|spawn\w*)\("
    assert {path.name for path in files if re.search(starters, path.read_text(), re.MULTILINE)} == {"processes.py"}
