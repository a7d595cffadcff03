"""CORS allows token-only clients on the origins of the setting, and no others."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.operations import OPERATIONS
from tests.support.processes import run_process

CLIENT, OTHER_ORIGIN = "https://m.example.com", "https://x.example.com"
# CORS is the same for all operations, so operations without a database suffice. Settings need a separate process.
_ASK = """
import json, sys, django
django.setup()
from django.test import Client
answers = [getattr(Client(), method)(path, headers=headers) for method, path, headers in json.loads(sys.argv[1])]
print(json.dumps([[answer.status_code, dict(answer.headers)] for answer in answers]))
"""


def send_requests(tmp_path: Path, *calls: tuple[str, str, dict[str, str]], allowed: str) -> list[Any]:
    """Return (status, headers) of each (method, path, headers)."""
    env = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings", "RUN_DIR": str(tmp_path)}
    (tmp_path / "static").mkdir(exist_ok=True)
    argv = [sys.executable, "-c", _ASK, json.dumps(calls)]
    env |= {"CORS_ALLOWED_ORIGINS": allowed, "ALLOWED_HOSTS": "testserver"}
    done = run_process(argv, "cors", env=env, answers=True, check=True)
    return list(json.loads(done.stdout))


def preflight(path: str, origin: str = CLIENT) -> tuple[str, str, dict[str, str]]:
    wanted = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return "options", path, {"Origin": origin, **wanted}


def cors_of(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower().startswith("access-control-")}


def test_a_preflight_of_any_operation_allows_the_client_to_call_with_a_token(tmp_path: Path):
    paths = [one.path.replace("{", "").replace("}", "") for one in OPERATIONS]
    for status, headers in send_requests(tmp_path, *map(preflight, paths), allowed=CLIENT):
        allowed = cors_of(headers)
        assert (status, allowed["access-control-allow-origin"]) == (200, CLIENT)
        assert {"authorization", "content-type"} <= set(allowed["access-control-allow-headers"].split(", "))
        assert "access-control-allow-credentials" not in allowed


@pytest.mark.parametrize("comma", [",", "\uff0c", "\u3001"])
def test_commas_of_any_keyboard_separate_the_origins(tmp_path: Path, comma: str):
    [(_, ours)] = send_requests(tmp_path, preflight("/groups"), allowed=f"https://a.example.com{comma}{CLIENT}")
    assert cors_of(ours)["access-control-allow-origin"] == CLIENT


def test_its_answers_may_be_read_by_the_client_and_by_no_other_origin(tmp_path: Path):
    calls = [("get", "/nowhere", {"Origin": origin}) for origin in (CLIENT, OTHER_ORIGIN)]
    (_, ours), (_, theirs) = send_requests(tmp_path, *calls, allowed=f"https://a.example.com,{CLIENT}")
    assert cors_of(ours)["access-control-allow-origin"] == CLIENT
    assert cors_of(theirs) == {}


def test_a_preflight_of_another_origin_allows_nothing(tmp_path: Path):
    [(_, headers)] = send_requests(tmp_path, preflight("/groups", OTHER_ORIGIN), allowed=CLIENT)
    assert cors_of(headers) == {}


def test_keys_are_not_for_browsers(tmp_path: Path):
    [(_, headers)] = send_requests(tmp_path, preflight("/groups"), allowed=CLIENT)
    assert "x-api-key" not in cors_of(headers)["access-control-allow-headers"]


@pytest.mark.parametrize("method", ["options", "get"])
def test_without_the_setting_there_is_no_cors_header(tmp_path: Path, method: str):
    headers = preflight("/nowhere")[2]
    [(status, answer)] = send_requests(tmp_path, (method, "/nowhere", headers), allowed="")
    assert (status, cors_of(answer)) == (404, {})
    assert "origin" not in answer.get("Vary", "").lower()
