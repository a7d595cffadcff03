"""The secrets and personal values that the tests use, recorded where they are created.

tests/support/log_search.py finds phones, identity cards, tokens and private keys by patterns. This module records values
without a pattern: values under secret names in calls, cookies, and keys in the settings and in the environment. union_id,
open_id, gateway codes and nicknames are not secret: operators see them, and they give no access.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

FILE = Path(os.environ["TEST_LOGS"]).with_name("secrets-in-use.jsonl")
SHORTEST = 8  # characters; shorter ASCII values occur in ordinary text
PASSWORDS = {"password", "old_password", "new_password1", "new_password2", "password1", "password2"}
CODES = {"otp_token", "code"}
COOKIES = {"sessionid", "csrftoken", "XSRF-TOKEN", "wechat_proof", "wechat_sign_in"}
HEADERS = {"x-api-key": "API key", "x-gateway-token": "gateway token"}
SETTINGS = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "IDENTITY_KEYS",
    "WECHAT_APPS",
    "GATEWAY_TOKEN",
    "SMS_ACCESS_KEY_SECRET",
    "ALARM_DINGTALK_SECRET",
    "WECHAT_PAY_API_V3_KEY",
    "ALIYUN_CS_KEY",
    "DATABASE_URL",
    "REDIS_URL",
    "SANDBOX_API_KEY",
)
_PART = re.compile(r'name="(\w+)"\r\n(?:[^\r\n]+\r\n)*\r\n(.*?)\r\n--', re.DOTALL)
_noted: set[tuple[str, str]] = set()


def note(kind: str, value: str) -> None:
    """Record a value that no log may contain."""
    short = value.isascii() and len(value) < SHORTEST and kind != "one-time code"
    if short or len(value) < 2 or _is_ordinary(value) or (kind, value) in _noted:
        return
    _noted.add((kind, value))
    with FILE.open("a") as file:
        file.write(json.dumps([kind, value]) + "\n")


def _is_ordinary(value: str) -> bool:
    """Return whether ordinary lines have it: a word, a character again and again, or a value of the sandbox, which is no secret."""
    is_word = value.isalpha() and value.islower()
    return value.isascii() and (is_word or len(set(value)) < 4 or value.startswith("sandbox"))


def noted() -> list[tuple[str, str]]:
    """Return (kind, value) of all recorded values, from every worker of the session."""
    lines = FILE.read_text().splitlines() if FILE.exists() else []
    return sorted({(kind, value) for kind, value in map(json.loads, lines)})


def note_setting(name: str, value: Any) -> None:
    """Record the secrets in the value of a setting or of its environment variable."""
    if name not in SETTINGS or not value:
        return
    if name.endswith("_URL"):
        note(name, urlsplit(value).password or "")
    elif isinstance(value, Mapping):
        _note_all(name, value.values())
    elif isinstance(value, str):
        _note_all(
            name, (pair.rpartition("=")[2] for pair in value.split(",")) if name == "WECHAT_APPS" else [value]
        )
    else:
        _note_all(name, value)


def note_environment(env: Mapping[str, str]) -> None:
    for name in SETTINGS:
        note_setting(name, env.get(name))


def note_cookies(cookies: Iterable[tuple[str, str]]) -> None:
    _note_all("cookie", (value for name, value in cookies if name in COOKIES))


def note_call(path: str, headers: Mapping[str, Any], body: str | bytes | None) -> None:
    """Record the values under secret names in a call."""
    for name, value in headers.items():
        if kind := HEADERS.get(name.lower()):
            note(kind, str(value))
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    _note_fields(dict(parse_qsl(urlsplit(path).query)))
    if len(text) < 100_000:
        _note_fields(_fields_of(text))


def watch(run_dir: Path) -> None:
    """Record the contents of this folder's secret files at the end of the session."""
    with FILE.with_name("watched").open("a") as file:
        file.write(f"{run_dir}\n")


def note_watched() -> None:
    """Note what the watched folders hold: keys and passwords made at the start of their servers."""
    listed = FILE.with_name("watched")
    for run_dir in map(Path, listed.read_text().splitlines() if listed.exists() else []):
        for name in ("sandbox-key", "secret.key", "postgres.password"):
            if (run_dir / name).exists():
                note(name, (run_dir / name).read_text().strip())
        if (run_dir / "redis.conf").exists():
            _note_all(
                "redis", re.findall(r"^requirepass (\S+)$", (run_dir / "redis.conf").read_text(), re.MULTILINE)
            )


def _fields_of(text: str) -> Any:
    if text[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            return {}
    return dict(_PART.findall(text)) or dict(parse_qsl(text))


def _note_fields(fields: Any) -> None:
    if isinstance(fields, list):
        for one in fields:
            _note_fields(one)
    if not isinstance(fields, dict):
        return
    for name, value in fields.items():
        if isinstance(value, dict | list):
            _note_fields(value)
        elif name in PASSWORDS:
            note("password", str(value))
        elif name in CODES and re.fullmatch("[0-9]{6}", str(value)):
            note("one-time code", str(value))
        elif name == "TemplateParam":
            _note_fields(_fields_of(str(value)))
    if "id_number" in fields and isinstance(fields.get("name"), str):
        note("real name", fields["name"].strip())


def _note_all(kind: str, values: Iterable[Any]) -> None:
    for value in values:
        note(kind, str(value))
