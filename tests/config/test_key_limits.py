"""Service keys that expire, that are limited to networks, and that are replaced."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.utils import timezone

from config.api.keys import issue_key
from config.models import ApiKey, Scope, revoke
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("enforced_auth")]


def issued_key(*text: str, name: str = "bi") -> str:
    """Create a key with the command. Returns the key."""
    printed = StringIO()
    call_command("create_api_key", name, "--scope=backoffice:read", *text, stdout=printed)
    return printed.getvalue().strip()


def call(raw: str, address: str = "127.0.0.1", **headers: str) -> dict[str, Any]:
    return (
        ApiClient()
        .http.post(
            "/admin/withdraw",
            {},
            content_type="application/json",
            REMOTE_ADDR=address,
            headers={"X-Api-Key": raw, **headers},
        )
        .json()
    )


@pytest.mark.parametrize(("until", "last"), [("--until=2026-12-31", "2026-12-31T15:59:59Z"), ("--days=2", None)])
def test_a_key_expires(until, last):
    with time_machine.travel("2026-12-29T10:00:00Z"):
        raw = issued_key(until)
    with time_machine.travel(last or "2026-12-31T09:59:59Z", tick=False):
        assert call(raw)["code"] == 1200
    with time_machine.travel("2026-12-31T16:00:00Z", tick=False):
        assert call(raw) == call("unknown")
        assert call(raw)["code"] == 1401


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("203.0.113.7", 1200),
        ("203.0.113.8", 1401),
        ("10.1.255.255", 1200),
        ("10.2.0.0", 1401),
        ("::ffff:10.1.0.1", 1200),
        ("2001:db8::5", 1200),
        ("2001:db9::5", 1401),
        ("", 1401),
        ("unix:", 1401),
    ],
)
def test_a_key_is_accepted_from_its_addresses_only(address, code):
    raw = issued_key("--from=203.0.113.7", "--from=10.1.0.0/16", "--from=2001:db8::/32")
    assert call(raw, address)["code"] == code
    assert call(raw, address)["code"] == code


def test_a_header_moves_nobody_into_an_address(settings):
    raw = issued_key("--from=203.0.113.7")
    assert call(raw, "198.51.100.1", **{"X-Forwarded-For": "203.0.113.7"})["code"] == 1401
    settings.TRUSTED_PROXIES = 1
    assert call(raw, "127.0.0.1", **{"X-Forwarded-For": "203.0.113.7, 198.51.100.1"})["code"] == 1401
    assert call(raw, "127.0.0.1", **{"X-Forwarded-For": "198.51.100.1, 203.0.113.7"})["code"] == 1200


def test_the_last_use_has_its_address():
    raw = issued_key()
    call(raw, "203.0.113.7")
    key = ApiKey.objects.get()
    assert key.last_used_from == "203.0.113.7"
    page = Operator().page("config/apikey/")
    assert "203.0.113.7" in page


def test_a_refused_use_is_not_stored():
    call(issued_key("--from=203.0.113.7"), "198.51.100.1")
    assert ApiKey.objects.get().last_used_at is None


def test_two_keys_of_a_system_are_valid_until_the_old_one_is_revoked():
    old, new = issued_key(), issued_key()
    assert [call(raw)["code"] for raw in (old, new)] == [1200, 1200]
    revoke(ApiKey.objects.get(prefix=old[:8]), by=None, at=timezone.now())
    assert [call(raw)["code"] for raw in (old, new)] == [1401, 1200]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--from=10.0.0.1/8",),
        ("--from=example.com",),
        ("--until=31.12.2026",),
        ("--until=2020-01-01",),
        ("--days=0",),
        ("--days=3", "--until=2099-01-01"),
    ],
)
def test_the_command_refuses_an_invalid_network_or_a_past_day(arguments):
    with pytest.raises(CommandError):
        issued_key(*arguments)
    assert not ApiKey.objects.exists()


def test_the_admin_sets_and_shows_both():
    root = Operator()
    tomorrow = timezone.localtime() + timedelta(days=1)
    form = {
        "name": "bi",
        "scopes": ["backoffice:read"],
        "expires_at_0": f"{tomorrow:%Y-%m-%d}",
        "expires_at_1": "12:00:00",
        "networks": " 203.0.113.7 \r\n10.1.0.0/16",
    }
    raw = root.saves("config/apikey/add/", form).split("请立即保存）：")[1][:43]
    key = ApiKey.objects.get()
    assert key.networks == ["203.0.113.7/32", "10.1.0.0/16"]
    assert timezone.localtime(key.expires_at).hour == 12
    assert (call(raw, "203.0.113.7")["code"], call(raw, "203.0.113.8")["code"]) == (1200, 1401)
    assert "10.1.0.0/16" in root.page(f"config/apikey/{key.pk}/change/")


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"networks": "10.0.0.1/8"}, "既不是地址也不是网段：10.0.0.1/8"),
        ({"networks": "<b>"}, "既不是地址也不是网段：&lt;b&gt;"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "失效时间要在现在之后。"),
    ],
)
def test_the_admin_shows_the_problem(typed, why):
    page = Operator().saves("config/apikey/add/", {"name": "bi", "scopes": ["backoffice:read"]}, **typed)
    assert why in page
    assert not ApiKey.objects.exists()


def test_a_key_that_never_was_valid_cannot_be_kept():
    key = ApiKey(name="bi", expires_at=timezone.now() - timedelta(days=1))
    with pytest.raises(IntegrityError, match="api_key_expires_after_it_was_made"):
        issue_key(key, [Scope.BACKOFFICE_READ])
