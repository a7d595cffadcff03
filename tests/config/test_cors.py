"""CORS allows token-only clients on the origins of the setting, and no others."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.contract.operations import OPERATIONS
from tests.support.processes import run_python

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
    env |= {"CORS_ALLOWED_ORIGINS": allowed, "ALLOWED_HOSTS": "testserver"}
    done = run_python("-c", _ASK, json.dumps(calls), name="cors", env=env, answers=True)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def preflight(path: str, origin: str = CLIENT) -> tuple[str, str, dict[str, str]]:
    wanted = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return "options", path, {"Origin": origin, **wanted}


def cors_of(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower().startswith("access-control-")}


@pytest.fixture(scope="module")
def preflights(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Return the answers to the client's preflight of each operation, and last the one to another origin."""
    paths = [one.path.replace("{", "").replace("}", "") for one in OPERATIONS]
    calls = [*map(preflight, paths), preflight("/groups", OTHER_ORIGIN)]
    return send_requests(tmp_path_factory.mktemp("cors"), *calls, allowed=CLIENT)


def test_a_preflight_of_any_operation_allows_the_client_to_call_with_a_token(preflights: list[Any]):
    for status, headers in preflights[:-1]:
        allowed = cors_of(headers)
        assert (status, allowed["access-control-allow-origin"]) == (200, CLIENT)
        assert {"authorization", "content-type"} <= set(allowed["access-control-allow-headers"].split(", "))
        assert "access-control-allow-credentials" not in allowed


def test_keys_are_not_for_browsers(preflights: list[Any]):
    assert all(
        "x-api-key" not in cors_of(headers)["access-control-allow-headers"] for _, headers in preflights[:-1]
    )


def test_a_preflight_of_another_origin_allows_nothing(preflights: list[Any]):
    assert cors_of(preflights[-1][1]) == {}


@pytest.mark.parametrize("comma", [",", "\uff0c", "\u3001"])
def test_commas_of_any_keyboard_separate_the_origins(tmp_path: Path, comma: str):
    [(_, ours)] = send_requests(tmp_path, preflight("/groups"), allowed=f"https://a.example.com{comma}{CLIENT}")
    assert cors_of(ours)["access-control-allow-origin"] == CLIENT


def test_its_answers_may_be_read_by_the_client_and_by_no_other_origin(tmp_path: Path):
    calls = [("get", "/nowhere", {"Origin": origin}) for origin in (CLIENT, OTHER_ORIGIN)]
    (_, ours), (_, theirs) = send_requests(tmp_path, *calls, allowed=f"https://a.example.com,{CLIENT}")
    assert cors_of(ours)["access-control-allow-origin"] == CLIENT
    assert cors_of(theirs) == {}


def test_without_the_setting_there_is_no_cors_header(tmp_path: Path):
    headers = preflight("/nowhere")[2]
    calls = [(method, "/nowhere", headers) for method in ("options", "get")]
    for status, answer in send_requests(tmp_path, *calls, allowed=""):
        assert (status, cors_of(answer)) == (404, {})
        assert "origin" not in answer.get("Vary", "").lower()
