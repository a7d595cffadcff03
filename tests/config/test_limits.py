"""Daily limits and limits of outside calls: far above ordinary use, and for users only."""

from typing import Any

import pytest
from django.utils import timezone

from config.models import Scope
from config.platform.cache import redis
from launches.models import MassMessageDraft
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import key_with
from tests.support.private_messages import last_message_to, receive_private_message

pytestmark = pytest.mark.django_db
NOBODY = "00000000-0000-0000-0000-000000000000"
# (scope, method, path, body): what each limit counts. They answer 1404 or 1403, which counts as well.
COUNTED: list[tuple[str, str, str, Any]] = [
    ("robot_name", "post", "/groups/none/robot_name", {"remark_name": "小熊"}),
    ("launch_switch", "put", "/launch/switch", {"code": "none", "rcv_task_flag": 0}),
    ("moderated", "post", "/alt_msg/reply", {"group_code": "none", "mem_code": "m", "content": "好"}),
    ("moderated", "post", "/groups/none/welcome", {"welcome_msg": "你好"}),
    ("moderated", "post", "/keywords", {"group_codes": ["g"], "keywords": ["价格"], "reply_content": "好"}),
    ("moderated", "put", "/keywords", {"id": NOBODY}),
    ("moderated", "put", f"/tasks/{NOBODY}", {}),
    ("mention_replies_day", "post", "/alt_msg/reply", {"group_code": "none", "mem_code": "m", "content": "好"}),
    ("links_day", "post", "/long_to_short", {"url": "https://example.com/a"}),
    ("keyword_batches_day", "post", "/keywords", {}),
    ("mass_messages_day", "put", f"/tasks/{NOBODY}", {}),
    ("problems_day", "post", "/user/problem", {"problem_catgory": NOBODY}),
]
each = pytest.mark.parametrize(("scope", "method", "path", "body"), COUNTED)


def allow(settings: Any, scope: str, rate: str) -> None:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {scope: rate}


@each
def test_beyond_the_limit_is_answered_as_documented(settings, alice, scope, method, path, body):
    allow(settings, scope, "1/86400")
    first, second = (ApiClient(alice).send(method, path, body) for _ in range(2))
    others = ApiClient(UserFactory()).send(method, path, body)
    assert first.json()["code"] != 1429
    assert (second.status_code, second.json()["code"]) == (429, 1429)
    assert second.json()["description"] == "操作太频繁，请稍后再试"
    assert 86390 < int(second["Retry-After"]) <= 86400
    assert others.status_code == 200


@each
def test_a_limit_is_far_above_ordinary_use(settings, scope, method, path, body):
    times, _seconds = settings.THROTTLE_RATES[scope].split("/")
    assert int(times) >= 30


def test_reading_and_deleting_count_for_no_limit(settings, alice):
    settings.THROTTLE_RATES = dict.fromkeys(settings.THROTTLE_RATES, "0/60")
    client = ApiClient(alice)
    reads = ["/keywords", "/launch/switch", "/alt_msg", "/owner/groups", "/groups/welcome", "/tasks/messages"]
    assert {path for path in reads if client.get(path)["code"] == 1429} == set()
    assert client.delete("/keywords", {"id": NOBODY})["code"] == 1403
    assert client.delete(f"/tasks/{NOBODY}")["code"] == 1404


def test_keywords_are_counted_one_by_one(settings, alice):
    GroupFactory(code="g1", user=alice)
    allow(settings, "keyword_words_day", "3/86400")
    text = [
        {"group_codes": ["g1"], "keywords": keywords, "reply_content": "好"}
        for keywords in (["a1", "a2"], ["a3", "a4"])
    ]
    assert [ApiClient(alice).post("/keywords", body)["code"] for body in text] == [1200, 1429]
    assert ApiClient(UserFactory()).post("/keywords", text[0])["code"] != 1429


def test_a_key_has_no_limit_and_a_caller_without_one_is_counted_by_address(settings):
    allow(settings, "links_day", "1/86400")
    system, link = key_with(Scope.LINKS_WRITE), {"url": "https://example.com/a"}
    assert [system.post("/long_to_short", link)["code"] for _ in range(3)] == [1200] * 3
    assert [ApiClient().post("/long_to_short", link)["code"] for _ in range(2)] == [1200, 1429]


def test_no_limit_stops_anybody_while_redis_is_away(settings, alice):
    GroupFactory(code="g1", user=alice)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    redis.cache_clear()
    body = {"group_codes": ["g1"], "keywords": ["价格"], "reply_content": "好"}
    try:
        assert ApiClient(alice).post("/keywords", body)["code"] == 1200
    finally:
        redis.cache_clear()


def test_too_many_drafts_of_a_day_are_refused_by_the_robot(settings, alice):
    allow(settings, "mass_message_drafts_day", "1/86400")
    robot = RobotFactory(code="r1")
    FriendshipFactory(user=alice, robot=robot)
    GroupFactory(user=alice, robot=robot, wechat_owner_code=alice.code, bound_at=timezone.now())
    for _ in range(2):
        receive_private_message("7")
        receive_private_message("http://127.0.0.1:8001/a.png", type=8)
    assert last_message_to() == "今天发来的群发内容太多，请明天再试。"
    assert MassMessageDraft.objects.count() == 1
