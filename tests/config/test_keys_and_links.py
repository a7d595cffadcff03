"""Service keys and short links."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from config.api.keys import issue_key
from config.models import ApiKey, Scope, ShortLink, revoke
from config.platform.cache import redis
from config.site.short_links import CLICKS, store_clicks
from tests.factories.people import OperatorFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db
URL = "https://example.com/a?b=c&d=群"


def test_the_command_prints_a_key_that_is_stored_as_a_hash_only():
    printed = StringIO()
    call_command("create_api_key", "rating", "--scope=stars:write", stdout=printed)
    raw = printed.getvalue().strip()
    kept = ApiKey.objects.get(name="rating")
    assert raw not in (kept.key_hash, kept.prefix)
    assert kept.scopes == ["stars:write"]
    assert ApiClient(key=raw).post("/groups/star", {})["code"] == 1403


def test_the_command_refuses_an_unknown_scope():
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("create_api_key", "x", "--scope=everything")


def test_a_revoked_key_is_refused(settings):
    settings.ENFORCE_AUTH = True
    system = key_with(Scope.BACKOFFICE_READ)
    assert system.post("/admin/withdraw")["code"] == 1200
    revoke(ApiKey.objects.get(), by=None, at=timezone.now())
    assert system.post("/admin/withdraw")["code"] == 1401


def test_a_key_records_when_it_was_last_used():
    system = key_with(Scope.BACKOFFICE_READ)
    system.post("/admin/withdraw")
    used_at = ApiKey.objects.get().last_used_at
    assert used_at is not None
    assert timezone.now() - used_at < timedelta(minutes=1)


def test_the_admin_shows_a_new_key_once():
    client = Client()
    client.force_login(OperatorFactory())
    page = client.post("/admin/config/apikey/add/", {"name": "bi", "scopes": ["settlement:write"]}, follow=True)
    key = ApiKey.objects.get(name="bi")
    assert key.prefix + "" in page.text.split("密钥（只显示这一次")[1]
    assert "密钥（只显示这一次" not in client.get("/admin/config/apikey/").text


def test_embedded_mode_lets_systems_in_without_a_key():
    assert ApiClient().post("/admin/withdraw")["code"] == 1200


def test_the_same_address_gets_the_same_short_link():
    alice = ApiClient(UserFactory())
    first, second = (alice.post("/long_to_short", {"url": URL})["data"] for _ in range(2))
    assert first == second
    assert ShortLink.objects.count() == 1


def test_a_short_link_redirects_and_counts_its_clicks():
    short = ApiClient(UserFactory()).post("/long_to_short", {"url": URL})["data"]
    path = "/" + short.split("/", 3)[3]
    answers = [Client().get(path) for _ in range(3)]
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {
        (302, "https://example.com/a?b=c&d=%E7%BE%A4")
    }
    assert store_clicks() == 3
    assert ShortLink.objects.get().click_count == 3
    assert store_clicks() == 0


def test_following_a_short_link_writes_nothing_to_the_database(django_assert_num_queries):
    slug = ApiClient(UserFactory()).post("/long_to_short", {"url": URL})["data"].rsplit("/", 1)[1]
    Client().get(f"/s/{slug}")
    with django_assert_num_queries(0):
        Client().get(f"/s/{slug}")


def test_an_address_in_capitals_is_the_same_scheme():
    assert ApiClient(UserFactory()).post("/long_to_short", {"url": "HTTP://example.com/x"})["code"] == 1200


_ENCODED = [
    ("https://例子.com/产品?名=值#段", "https://xn--fsqu00a.com/%E4%BA%A7%E5%93%81?%E5%90%8D=%E5%80%BC#%E6%AE%B5"),
    ("https://München.de:8443/ä", "https://xn--mnchen-3ya.de:8443/%C3%A4"),
    ("HTTPS://Example.COM/A%20b?x=1&y=%E7%BE%A4", "https://example.com/A%20b?x=1&y=%E7%BE%A4"),
]


@pytest.mark.parametrize(("url", "location"), _ENCODED)
def test_a_short_link_leads_to_an_address_that_every_caller_can_resolve(url: str, location: str):
    short = ApiClient(UserFactory()).post("/long_to_short", {"url": url})["data"]
    assert ShortLink.objects.get().url == location
    assert Client().get(f"/s/{short.rsplit('/', 1)[1]}")["Location"] == location


def test_an_older_unencoded_link_is_encoded_when_it_is_followed():
    ShortLink.objects.create(slug="old", url="https://例子.com/产品", url_hash="a")
    assert Client().get("/s/old")["Location"] == "https://xn--fsqu00a.com/%E4%BA%A7%E5%93%81"
    ShortLink.objects.create(slug="evil", url="https://example.com\\@evil.com/", url_hash="b")
    assert Client().get("/s/evil").json()["code"] == 1404


_NOT_TAKEN = [
    *(
        "https://example.com\\@evil.com/",
        "https://example.com/a\\b",
        "https://user@example.com/",
        "https://u:p@example.com/",
    ),
    *(
        "https://example.com/a\tb",
        "https://example.com/a\nb",
        "https://example.com/a b",
        "https://example.com/\u202egnp.exe",
    ),
    *(
        "javascript:alert(1)",
        "ftp://example.com/",
        "data:text/html,x",
        "//example.com/",
        "https:///x",
        "https://a:99999/",
    ),
    *(
        "http://127.0.0.1:8000/s/abc",
        "https://127.0.0.1/s/abc",
        "http://127.0.0.1:8000/%73/abc",
        "http://127.0.0.1//s/abc",
    ),
    "https://example.com/" + "群" * 1000,
]


@pytest.mark.parametrize("url", _NOT_TAKEN)
def test_a_misleading_address_is_refused(url: str):
    answer = ApiClient(UserFactory()).post("/long_to_short", {"url": url})
    assert (answer["code"], "url" in answer["description"]) == (1403, True)
    assert not ShortLink.objects.exists()


def test_other_pages_of_our_own_host_may_be_shortened():
    url = "http://127.0.0.1:8000/grouppet/share?s=/s/x"
    assert ApiClient(UserFactory()).post("/long_to_short", {"url": url})["code"] == 1200


def test_clicks_that_were_written_down_leave_nothing_behind():
    link = ApiClient(UserFactory()).post("/long_to_short", {"url": "https://example.com/counted"})["data"]
    Client().get(link.removeprefix("http://127.0.0.1:8000"))
    store_clicks()
    assert redis().hlen(CLICKS.key) == 0


def test_a_key_with_a_long_name_acts_under_it():
    alice = UserFactory()
    key = issue_key("x" * 80, [Scope.USERS_BLOCK])
    assert ApiClient(key=key).put(f"/users/{alice.pk}/block")["code"] == 1200
