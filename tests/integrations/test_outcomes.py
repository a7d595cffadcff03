"""What our adapters make of answers: done is what comes with 2xx and says so, and nothing else."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.aliyun.customer_service import CustomerService
from integrations.aliyun.sms import AliyunSms
from integrations.gateway.calls import recall_message
from integrations.gateway.client import RobotGateway
from integrations.http import Later, OutcomeUnknown, OutsideError, Refused
from integrations.launch_system import LaunchSystem
from integrations.moderation.remote import _is_labeled
from integrations.sandbox.server import Reply
from integrations.wechat.login import WeChat
from integrations.wechat.pay import WeChatPay
from tests.support.outside_system import OutsideSystem, played_by

Ask = Callable[[], Any]


def forward() -> None:
    words = {"user_code": "u", "nickname": "n", "kind": "text", "content": "在吗", "message_no": "1"}
    CustomerService.from_settings().forward(**words)


ADAPTERS: dict[str, tuple[Ask, dict[str, Any], dict[str, Any]]] = {
    "gateway": (
        lambda: RobotGateway.from_settings().ask(recall_message(robot="r", message_no="1")),
        {"code": "100"},
        {"code": "301"},
    ),
    "sms": (
        lambda: AliyunSms.from_settings().send_code("13800138000", "123456"),
        {"Code": "OK"},
        {"Code": "isv.X"},
    ),
    "launch": (
        lambda: LaunchSystem.from_settings().set_switches({"g": True}),
        {"resultCode": 100},
        {"resultCode": 7},
    ),
    "customer service": (forward, {"code": 200}, {"code": 500}),
    "wechat": (lambda: WeChat.from_settings().check_text("t", "x"), {"errcode": 0}, {"errcode": 40013}),
    "moderation": (lambda: _is_labeled("x", time.monotonic() + 5), {"Code": 200, "Data": {}}, {"Code": 401}),
}

PAY: tuple[Ask, dict[str, Any], dict[str, Any]] = (lambda: WeChatPay.from_settings().query("0" * 32), {}, {})


@pytest.fixture
def outside(tmp_path, settings) -> Iterator[OutsideSystem]:
    settings.WECHAT_TIMEOUT = 5
    with played_by(OutsideSystem(Reply({})), tmp_path, settings) as playing:
        yield playing


def outcome(ask: Ask) -> type[OutsideError] | None:
    try:
        ask()
    except OutsideError as error:
        return type(error)
    return None


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("status", [200, 201])
def test_a_2xx_answer_that_says_done_is_done(outside, adapter: str, status: int):
    ask, done, _refused = ADAPTERS[adapter]
    outside.replies = [Reply(done, status)]
    assert outcome(ask) is None


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 410, 418, 500, 503])
def test_any_other_status_is_not_done_whatever_the_answer_says(outside, adapter: str, status: int):
    ask, done, _refused = ADAPTERS[adapter]
    outside.replies = [Reply(done, status)]
    assert outcome(ask) is OutcomeUnknown


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_refusal_is_one_with_200_as_with_400(outside, adapter: str):
    ask, _done, refused = ADAPTERS[adapter]
    outside.replies = [Reply(refused, 200), Reply(refused, 400)]
    assert [outcome(ask), outcome(ask)] == [Refused, Refused]


@pytest.mark.parametrize("adapter", [*ADAPTERS, "pay"])
def test_429_means_later_whoever_says_it(sandbox, outside, adapter: str):
    ask, done, _refused = ADAPTERS.get(adapter, PAY)
    outside.replies = [Reply(done, 429, {"Retry-After": "17"})]
    with pytest.raises(Later) as later:
        ask()
    assert later.value.retry_after == 17


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("answer", [[], None, "done", 100, {}, {"message": "ok"}])
def test_an_answer_without_a_verdict_is_none(outside, adapter: str, answer: Any):
    ask, _done, _refused = ADAPTERS[adapter]
    outside.replies = [Reply(answer)]
    assert outcome(ask) is OutcomeUnknown


@pytest.mark.parametrize("adapter", ["gateway", "launch", "sms"])
@pytest.mark.parametrize("code", [None, {}, [], True, 100.0])
def test_a_code_that_is_none_is_no_refusal(outside, adapter: str, code: Any):
    ask, done, _refused = ADAPTERS[adapter]
    names = {"code", "resultCode", "Code"} & done.keys()
    outside.replies = [Reply(done | dict.fromkeys(names, code))]
    assert outcome(ask) is OutcomeUnknown


@pytest.mark.parametrize("seconds", ["9" * 5000, "-1", "１７", "soon", "1.5"])
def test_a_time_to_wait_that_is_none_is_left_out(outside, seconds: str):
    ask, done, _refused = ADAPTERS["launch"]
    outside.replies = [Reply(done, 429, {"Retry-After": seconds.encode().decode("latin-1")})]
    with pytest.raises(Later) as later:
        ask()
    assert later.value.retry_after is None


@pytest.mark.parametrize("code", [-1, 45009, 45011])
def test_wechats_flow_control_is_no_refusal(outside, code: int):
    outside.replies = [Reply({"errcode": code, "errmsg": "busy"})]
    assert outcome(lambda: WeChat.from_settings().profile("sandbox", "x")) is Later


@pytest.mark.parametrize("gap", [{"openid": None}, {"unionid": ""}, {"unionid": 7}])
def test_a_profile_without_its_ids_proves_nobody(outside, gap: dict[str, Any]):
    whole = {"access_token": "t", "openid": "o", "unionid": "u", "nickname": "n"}
    outside.replies = [Reply(whole), Reply(whole | gap)]
    assert outcome(lambda: WeChat.from_settings().profile("sandbox", "x")) is OutcomeUnknown


@pytest.mark.parametrize("data", ["abc", 7, {"robot_id": "r"}])
def test_robots_that_are_no_list_are_no_answer(outside, data: Any):
    outside.replies = [Reply({"code": "100", "data": data})]
    assert outcome(RobotGateway.from_settings().robots) is OutcomeUnknown


def test_a_redirection_is_not_followed(outside):
    elsewhere = {"Location": f"{outside.url}/elsewhere"}
    outside.replies = [Reply({"code": "100"}, 302, elsewhere), Reply({"code": "100"})]
    assert outcome(ADAPTERS["gateway"][0]) is OutcomeUnknown
    assert len(outside.calls) == 1
