"""While Redis is down, read-only or full, cached features go on and dependent ones return 1503."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from redis import Redis

from accounts.models import User
from config.local.embedded import Valkey
from config.models import Scope
from config.platform import cache
from config.site import short_links
from integrations.models import GatewayEvent
from tests.factories.people import UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def another_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("redis"), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["unreachable", "read-only", "full"])
def redis_away(request: pytest.FixtureRequest, another_redis: Valkey, settings: Any):
    settings.REDIS_URL = "redis://127.0.0.1:1/0" if request.param == "unreachable" else another_redis.url
    with Redis.from_url(another_redis.url) as server:
        server.config_set("maxmemory", 1 if request.param == "full" else 0)
        server.replicaof(*(("127.0.0.1", 1) if request.param == "read-only" else ("NO", "ONE")))
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": settings.REDIS_URL}}
    cache.redis.cache_clear()
    yield
    cache.redis.cache_clear()


def test_the_service_status_is_still_returned(redis_away: None):
    assert ApiClient().get("/app/status")["data"]["status"] == 1
    assert ApiClient().get("/app/marquee")["data"] == {"status": 0, "content": ""}


def test_a_new_status_is_stored_and_returned(redis_away: None):
    answer = {"status": 2, "upGradeEndTime": "今晚十点"}
    assert key_with(Scope.STATUS_WRITE).post("/app/status", answer)["code"] == 1200
    assert ApiClient().get("/app/status")["data"] == answer


def test_short_links_still_lead_somewhere(redis_away: None):
    path = short_links.shorten("https://example.com/away").rsplit("/", 1)[1]
    answer = Client().get(f"/s/{path}")
    assert (answer.status_code, answer["Location"]) == (302, "https://example.com/away")


def test_gateway_events_are_still_stored(redis_away: None):
    event = {"event_id": "away-1", "command": "robot_added", "body": {}}
    assert key_with(Scope.GATEWAY_EVENTS).post("/gateway/events", event)["code"] == 1200
    assert GatewayEvent.objects.filter(event_id="away-1").exists()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/withdraw", {"balance": "20"}),
        ("post", "/auth", {"union_id": "union-alice"}),
        ("get", "/sms/code/delivery?phone=13800138000", None),
        ("get", "/wechat/user_info?app_id=sandbox&code=alice", None),
        ("get", "/wechat/js/ticket?app_id=sandbox&url=http://example.com", None),
    ],
)
def test_throttled_operations_return_retry_after(redis_away: None, method: str, path: str, body: Any):
    answer = ApiClient(UserFactory()).send(method, path, body)
    assert (answer.status_code, answer.json()["code"]) == (503, 1503)
    assert answer["Retry-After"]


def test_operators_sign_in_without_a_count(redis_away: None):
    User.objects.create_superuser("root", "a-Long-Word-7")
    client = Client()
    client.post("/admin/login/", {"username": "root", "password": "a-Long-Word-7"})
    assert client.session["_auth_user_id"]


def test_opening_the_client_is_no_error(redis_away: None):
    assert ApiClient().get("/page/access")["code"] == 1200


def test_a_change_of_status_is_seen_at_once(django_capture_on_commit_callbacks: Any):
    assert ApiClient().get("/app/status")["data"]["status"] == 1
    with django_capture_on_commit_callbacks(execute=True):
        key_with(Scope.STATUS_WRITE).post("/app/status", {"status": 2, "upGradeEndTime": "今晚十点"})
    assert ApiClient().get("/app/status")["data"]["status"] == 2
