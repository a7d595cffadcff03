"""Random events of the gateway: none raises an error, none has half of its effects, and every one gets a status.

FUZZ_EXAMPLES=2000 runs more examples, with another seed each time.
"""

import json
import os
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groups.models import GroupMessage, Member, MemberMove
from integrations.gateway.subscriptions import _handlers
from integrations.models import GatewayEvent
from integrations.tasks import handle_events
from keywords.models import GroupKeyword, KeywordBatch
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import key_with

pytestmark = [pytest.mark.django_db, pytest.mark.fuzz]
Status = GatewayEvent.Status
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "")
_numbers = count(1)

CODES = st.sampled_from(["g1", "g2", "r1", "r2", "wx-alice", "bob", "all", "菜单", "1", "5", "7", "退出", "价格"])
TEXTS = st.one_of(
    CODES,
    st.text(st.characters(codec=None), max_size=20),  # lone surrogates and NUL among them
    st.sampled_from(["", " ", "\x00", "\ud800", "a\x00b", "\udfff价格", "x" * 129, "长" * 3_000, "1" * 40]),
    st.sampled_from(["2026-11-24 12:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "2026-02-30", "12:00"]),
)
SCALARS = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, 3, 8, 6, 11]),
    st.floats(allow_nan=False, allow_infinity=False),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
PROPER: dict[str, Any] = {
    "robot_id": "r1",
    "group_id": "g1",
    "id": "g1",
    "user_id": "wx-alice",
    "nickname": "爱丽丝",
    "avatar": "",
    "name": "群",
    "admin_user_id": "wx-alice",
    "mem_count": 5,
    "robots": [{"robot_id": "r1", "robot_in_group": True}],
    "replace_robot_id": "r1",
    "qrcode": "",
    "reason": "",
    "all": False,
    "at_users": ["r1"],
    "message_no": "m1",
    "is_robot": False,
    "type": 3,
    "content": "价格",
    "title": "",
    "desc": "",
    "url": "",
    "voice_time": 0,
}
NAMES = st.sampled_from([*PROPER, "send_time", "join_time", "kick_time", "bind_time", "add_time"])
_MEANT = st.dictionaries(NAMES, ANYTHING, max_size=3).map(lambda wrong: PROPER | wrong)
_LACKING = st.sets(NAMES, max_size=3).map(lambda gone: {k: v for k, v in PROPER.items() if k not in gone})
BODIES = st.one_of(_MEANT, _LACKING, st.lists(_MEANT, max_size=2), ANYTHING)
COMMANDS = st.one_of(
    st.sampled_from(sorted(_handlers)), st.sampled_from(["dance", "constructor", "群消息", "x" * 64])
)
EVENTS = st.lists(
    st.fixed_dictionaries({"event_id": st.integers(1, 6), "command": COMMANDS, "body": BODIES}),
    min_size=1,
    max_size=8,
)


@pytest.fixture
def gateway() -> ApiClient:
    """Return the gateway's client; there are two groups, two robots, a user who owns a group, and a keyword."""
    alice, robot = UserFactory(code="wx-alice"), RobotFactory(code="r1")
    RobotFactory(code="r2")
    FriendshipFactory(user=alice, robot=robot)
    group = GroupFactory(code="g1", user=alice, robot=robot, wechat_owner_code="wx-alice", welcome_message="欢迎")
    GroupFactory(code="g2", user=alice, robot=robot)
    batch = KeywordBatch.objects.create(
        user=alice, keywords=["价格"], reply_content="十元", created_at=group.bound_at
    )
    GroupKeyword.objects.create(batch=batch, group=group, folded="价格")
    return key_with("gateway:events")


def post(client: ApiClient, body: Any) -> dict[str, Any]:
    answer = client.http.post(
        "/gateway/events", json.dumps(body), content_type="application/json", headers=client.headers
    )
    assert answer.status_code == 200
    return answer.json()


def handled(*commands: str) -> int:
    return GatewayEvent.objects.filter(command__in=commands, status=Status.HANDLED).count()


@settings(
    max_examples=int(EXAMPLES or 40),
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(events=EVENTS)
def test_every_event_gets_a_status_and_none_has_half_of_its_effects(gateway, events):
    """An `event_id` may come twice in a batch; its first body counts."""
    turn = next(_numbers)
    for event in events:
        event["event_id"] = f"{turn}-{event['event_id']}"
    known = {event["event_id"] for event in events if event["body"] is not None}
    answer = post(gateway, events)["data"]
    refused = [index for index, event in enumerate(events) if event["body"] is None]
    assert (answer["stored"], [item["index"] for item in answer["refused"]]) == (len(known), refused)
    handle_events()
    kept = GatewayEvent.objects.filter(event_id__startswith=f"{turn}-")
    assert set(kept.values_list("event_id", flat=True)) == known
    assert set(kept.values_list("status", flat=True)) <= {Status.HANDLED, Status.IGNORED, Status.UNKNOWN}
    assert GroupMessage.objects.count() == handled("group_message")
    assert MemberMove.objects.count() == handled("join_group", "drop_out_group")


@settings(
    max_examples=int(EXAMPLES or 15),
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(body=ANYTHING)
def test_a_body_without_events_is_refused(gateway, body):
    answer = post(gateway, body)
    if isinstance(body, list) and body:
        assert (answer["code"], answer["data"]["stored"], len(answer["data"]["refused"])) == (1200, 0, len(body))
    else:
        assert answer["code"] == 1403
    assert not GatewayEvent.objects.exclude(status=Status.REFUSED).exists()


def test_the_same_events_in_another_order_and_again_do_nothing_more(gateway):
    """Of events with the same id the first one counts."""
    bodies = [PROPER | {"message_no": f"m{n}", "user_id": f"u{n}"} for n in range(4)]
    events = [{"event_id": f"e{n}", "command": "group_message", "body": body} for n, body in enumerate(bodies)]
    joins = [{"event_id": f"j{n}", "command": "join_group", "body": body} for n, body in enumerate(bodies)]
    for batch in (events + joins, joins[::-1] + events, [*events, *events]):
        assert post(gateway, batch)["code"] == 1200
        handle_events()
    counts = (GroupMessage.objects.count(), MemberMove.objects.count(), Member.objects.count())
    assert counts == (4, 4, 4)
    assert GatewayEvent.objects.count() == 8
