"""Clients count a call as done only with a 2xx status and an answer that confirms it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.aliyun.customer_service import CustomerService
from integrations.aliyun.sms import AliyunSms
from integrations.gateway.calls import recall_message
from integrations.gateway.client import RobotGateway
from integrations.http import Busy, OutcomeUnknown, OutsideError, Refused
from integrations.launch_system import LaunchSystem
from integrations.moderation.remote import _is_labeled
from integrations.sandbox.server import SandboxResponse
from integrations.wechat.login import WeChat
from integrations.wechat.pay import WeChatPay
from tests.support.outside_system import OutsideSystem, played_by

Work = Callable[[], Any]


def forward() -> None:
    message = {"user_code": "u", "nickname": "n", "kind": "text", "content": "在吗", "message_no": "1"}
    CustomerService.from_settings().forward(**message)


ADAPTERS: dict[str, tuple[Work, dict[str, Any], dict[str, Any]]] = {
    "gateway": (
        lambda: RobotGateway.from_settings().call(recall_message(robot="r", message_no="1")),
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

PAY: tuple[Work, dict[str, Any], dict[str, Any]] = (lambda: WeChatPay.from_settings().query("0" * 32), {}, {})


@pytest.fixture
def outside(tmp_path, settings) -> Iterator[OutsideSystem]:
    settings.WECHAT_TIMEOUT = 5
    with played_by(OutsideSystem(SandboxResponse({})), tmp_path, settings) as system:
        yield system


def outcome(call: Work) -> type[OutsideError] | None:
    try:
        call()
    except OutsideError as error:
        return type(error)
    return None


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("status", [200, 201])
def test_a_2xx_response_with_the_code_for_done_is_done(outside, adapter: str, status: int):
    call, done, _refused = ADAPTERS[adapter]
    outside.replies = [SandboxResponse(done, status)]
    assert outcome(call) is None


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 410, 418, 500, 503])
def test_any_other_status_is_not_done_whatever_the_code(outside, adapter: str, status: int):
    call, done, _refused = ADAPTERS[adapter]
    outside.replies = [SandboxResponse(done, status)]
    assert outcome(call) is OutcomeUnknown


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_refusal_may_have_status_200_or_400(outside, adapter: str):
    call, _done, refused = ADAPTERS[adapter]
    outside.replies = [SandboxResponse(refused, 200), SandboxResponse(refused, 400)]
    assert [outcome(call), outcome(call)] == [Refused, Refused]


@pytest.mark.parametrize("adapter", [*ADAPTERS, "pay"])
def test_429_of_every_system_means_busy(sandbox, outside, adapter: str):
    call, done, _refused = ADAPTERS.get(adapter, PAY)
    outside.replies = [SandboxResponse(done, 429, {"Retry-After": "17"})]
    with pytest.raises(Busy) as busy:
        call()
    assert busy.value.retry_after == 17


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("answer", [[], None, "done", 100, {}, {"message": "ok"}])
def test_a_response_without_a_code_leaves_the_outcome_unknown(outside, adapter: str, answer: Any):
    call, _done, _refused = ADAPTERS[adapter]
    outside.replies = [SandboxResponse(answer)]
    assert outcome(call) is OutcomeUnknown


@pytest.mark.parametrize("adapter", ["gateway", "launch", "sms"])
@pytest.mark.parametrize("code", [None, {}, [], True, 100.0])
def test_a_code_of_another_type_leaves_the_outcome_unknown(outside, adapter: str, code: Any):
    call, done, _refused = ADAPTERS[adapter]
    names = {"code", "resultCode", "Code"} & done.keys()
    outside.replies = [SandboxResponse(done | dict.fromkeys(names, code))]
    assert outcome(call) is OutcomeUnknown


@pytest.mark.parametrize("seconds", ["9" * 5000, "-1", "１７", "soon", "1.5"])
def test_an_invalid_retry_after_is_left_out(outside, seconds: str):
    call, done, _refused = ADAPTERS["launch"]
    outside.replies = [SandboxResponse(done, 429, {"Retry-After": seconds.encode().decode("latin-1")})]
    with pytest.raises(Busy) as busy:
        call()
    assert busy.value.retry_after is None


@pytest.mark.parametrize("code", [-1, 45009, 45011])
def test_wechats_flow_control_is_no_refusal(outside, code: int):
    outside.replies = [SandboxResponse({"errcode": code, "errmsg": "busy"})]
    assert outcome(lambda: WeChat.from_settings().profile("sandbox", "x")) is Busy


@pytest.mark.parametrize("gap", [{"openid": None}, {"unionid": ""}, {"unionid": 7}])
def test_a_profile_without_its_ids_leaves_the_outcome_unknown(outside, gap: dict[str, Any]):
    whole = {"access_token": "t", "openid": "o", "unionid": "u", "nickname": "n"}
    outside.replies = [SandboxResponse(whole), SandboxResponse(whole | gap)]
    assert outcome(lambda: WeChat.from_settings().profile("sandbox", "x")) is OutcomeUnknown


@pytest.mark.parametrize("data", ["abc", 7, {"robot_id": "r"}])
def test_robots_that_are_no_list_leave_the_outcome_unknown(outside, data: Any):
    outside.replies = [SandboxResponse({"code": "100", "data": data})]
    assert outcome(RobotGateway.from_settings().robots) is OutcomeUnknown


def test_a_redirection_is_not_followed(outside):
    elsewhere = {"Location": f"{outside.url}/elsewhere"}
    outside.replies = [SandboxResponse({"code": "100"}, 302, elsewhere), SandboxResponse({"code": "100"})]
    assert outcome(ADAPTERS["gateway"][0]) is OutcomeUnknown
    assert len(outside.calls) == 1
