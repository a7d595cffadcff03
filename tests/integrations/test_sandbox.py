"""The sandbox behaves as the contracts of the outside systems require, so that our clients work with the real ones too."""

import json

import pytest
import requests

from integrations.aliyun.sms import AliyunSms
from integrations.gateway.calls import bind_group, send_group_message, send_private_message
from integrations.gateway.client import RobotGateway
from integrations.http import OutcomeUnknown, Refused, Unavailable
from integrations.wechat.login import WeChat
from integrations.wechat.pay import WeChatPay

MESSAGE = {"type": 3, "content": "你好", "message_no": "m1"}


@pytest.fixture
def gateway(sandbox) -> RobotGateway:
    return RobotGateway.from_settings()


@pytest.fixture
def pay(sandbox) -> WeChatPay:
    return WeChatPay.from_settings()


def control(sandbox, path: str = "", **query) -> dict:
    return requests.get(f"{sandbox.url}/_/{path}", params=query, timeout=5).json()


def fault(sandbox, system: str, mode: str, rate: float = 1.0) -> int:
    body = {"system": system, "mode": mode, "rate": rate}
    return requests.post(f"{sandbox.url}/_/faults", json=body, timeout=5).status_code


def transfer(pay: WeChatPay, number: str = "0" * 32, fen: int = 100) -> str:
    return pay.transfer(out_bill_no=number, openid="open-alice", amount_fen=fen, remark="提现").state


def test_the_index_names_the_systems(sandbox):
    assert control(sandbox)["plays"] == ["gateway", "wechat", "pay", "launch", "aliyun", "sms"]


def test_a_message_number_seen_twice_is_one_message(gateway, sandbox):
    for _ in range(2):
        gateway.call(send_group_message(robot="sandbox-robot-1", group="g1", message=MESSAGE))
    [sent] = control(sandbox, "messages")["messages"]
    assert (sent["message_no"], sent["requests"], sent["group_id"], sent["content"]) == ("m1", 2, "g1", "你好")
    assert list(sent) == [
        "robot_id",
        "group_id",
        "user_id",
        "users",
        "type",
        "content",
        "title",
        "url",
        "desc",
        "message_no",
        "received_at",
        "requests",
    ]


def test_messages_are_filtered(gateway, sandbox):
    gateway.call(send_private_message(robot="sandbox-robot-1", user="u1", message=MESSAGE))
    gateway.call(send_private_message(robot="sandbox-robot-2", user="u2", message=MESSAGE | {"message_no": "m2"}))
    assert [message["message_no"] for message in control(sandbox, "messages", user_id="u2")["messages"]] == ["m2"]
    assert [
        message["message_no"] for message in control(sandbox, "messages", robot_id="sandbox-robot-1")["messages"]
    ] == ["m1"]


def test_the_gateway_refuses_a_robot_it_does_not_drive(gateway):
    with pytest.raises(Refused, match="301"):
        gateway.call(send_group_message(robot="nobody", group="g1", message=MESSAGE))


def test_the_gateway_names_its_five_robots(gateway):
    robots = gateway.robots()
    assert [robot["robot_id"] for robot in robots] == [f"sandbox-robot-{n}" for n in range(1, 6)]
    assert {robot["channel"] for robot in robots} == {""}
    assert requests.get(robots[0]["qr_code"], timeout=5).content.startswith(b"\x89PNG")


def test_binding_posts_the_event_once(gateway, sandbox):
    system = next(system for name, system in sandbox.systems if name == "gateway")
    posted = []
    original, system.poster.post = system.poster.post, posted.append
    try:
        for _ in range(2):
            gateway.call(bind_group(robot="sandbox-robot-1", group="g1", user="u1", name="群"))
    finally:
        system.poster.post = original
    assert [(event.command, event.group_code) for event in posted] == [("bind_group_success", "g1")]


def test_wechat_accepts_any_code_but_bad(sandbox):
    profile = WeChat.from_settings().profile("sandbox", "X")
    assert (profile.unionid, profile.openid, profile.nickname) == ("union-X", "open-X", "X")
    with pytest.raises(Refused):
        WeChat.from_settings().profile("sandbox", "bad")


def test_an_sms_is_stored_as_the_phone_shows_it(sandbox):
    AliyunSms.from_settings().send_code("13800138000", "123456")
    [sent] = control(sandbox, "sms", phone="13800138000")["sms"]
    assert "123456" in sent["content"]
    assert control(sandbox, "sms", phone="13800138001")["sms"] == []


def test_an_sms_with_a_wrong_signature_is_refused(sandbox, settings):
    settings.SMS_ACCESS_KEY_SECRET = "other"
    with pytest.raises(Refused, match="SignatureDoesNotMatch"):
        AliyunSms.from_settings().send_code("13800138000", "123456")


def test_a_bill_number_is_paid_once(pay, sandbox):
    assert [transfer(pay) for _ in range(3)] == ["SUCCESS"] * 3
    [bill] = control(sandbox, "transfers")["transfers"]
    assert bill == {
        "out_bill_no": "0" * 32,
        "openid": "open-alice",
        "amount": 100,
        "state": "SUCCESS",
        "requests": 3,
    }


def test_a_bill_number_with_another_amount_is_refused(pay):
    transfer(pay)
    with pytest.raises(Refused, match="INVALID_REQUEST"):
        transfer(pay, fen=200)


def test_a_package_comes_with_the_transfer_and_not_with_a_query(pay, sandbox):
    requests.post(f"{sandbox.url}/_/pay", json={"next_state": "WAIT_USER_CONFIRM"}, timeout=5)
    packages = [
        pay.transfer(out_bill_no="0" * 32, openid="o", amount_fen=1, remark="x").package_info for _ in range(2)
    ]
    assert packages[0] == packages[1] != ""
    assert pay.query("0" * 32).package_info == ""


def test_a_large_transfer_needs_the_name_of_its_receiver(pay):
    with pytest.raises(ValueError, match="real name"):
        transfer(pay, fen=200_000)
    assert pay.transfer(
        out_bill_no="0" * 32, openid="o", amount_fen=200_000, remark="x", real_name="王小明"
    ).state == ("SUCCESS")


def test_an_unknown_bill_is_not_found(pay):
    with pytest.raises(Refused, match="NOT_FOUND"):
        pay.query("1" * 32)


def test_a_bill_that_waits_can_be_cancelled_and_a_paid_one_cannot(pay, sandbox):
    requests.post(f"{sandbox.url}/_/pay", json={"next_state": "WAIT_USER_CONFIRM"}, timeout=5)
    assert transfer(pay) == "WAIT_USER_CONFIRM"
    assert pay.cancel("0" * 32).state == "CANCELLED"
    requests.post(f"{sandbox.url}/_/pay", json={"next_state": "SUCCESS"}, timeout=5)
    transfer(pay, "2" * 32)
    with pytest.raises(Refused, match="INVALID_REQUEST"):
        pay.cancel("2" * 32)


def test_a_request_that_the_merchant_did_not_sign_is_refused(sandbox):
    answer = requests.post(f"{sandbox.url}/v3/fund-app/mch-transfer/transfer-bills", json={}, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")
    assert "Wechatpay-Signature" not in answer.headers


def test_an_answer_that_wechat_pay_did_not_sign_leaves_the_outcome_unknown(pay, settings):
    pay._read_keys[pay.serial] = pay._private_key.public_key()  # somebody else's key
    with pytest.raises(OutcomeUnknown, match="not signed"):
        transfer(pay)


@pytest.mark.parametrize("mode", ["error", "garbage", "drop_reply"])
def test_a_fault_leaves_the_outcome_unknown(gateway, sandbox, mode: str):
    assert fault(sandbox, "gateway", mode) == 200
    with pytest.raises(OutcomeUnknown):
        gateway.call(send_group_message(robot="sandbox-robot-1", group="g1", message=MESSAGE))
    assert len(sandbox.state.messages) == (1 if mode == "drop_reply" else 0)


def test_a_timeout_leaves_the_outcome_unknown(sandbox, settings):
    settings.GATEWAY_TIMEOUT = 0.2
    fault(sandbox, "gateway", "timeout")
    with pytest.raises(OutcomeUnknown):
        RobotGateway.from_settings().robots()


def test_a_system_without_connection_is_unavailable(settings):
    settings.GATEWAY_BASE_URL = "http://127.0.0.1:1"
    with pytest.raises(Unavailable):
        RobotGateway.from_settings().robots()


def test_a_fault_of_one_system_is_not_anothers(gateway, sandbox):
    fault(sandbox, "wechat", "error")
    assert len(gateway.robots()) == 5


def test_a_rate_of_zero_is_no_fault(gateway, sandbox):
    fault(sandbox, "gateway", "error", rate=0)
    assert len(gateway.robots()) == 5


@pytest.mark.parametrize(
    "body",
    [{"system": "x", "mode": "ok"}, {"system": "pay", "mode": "x"}, {"system": "pay", "mode": "ok", "rate": 2}],
)
def test_an_invalid_fault_is_refused(sandbox, body: dict):
    assert requests.post(f"{sandbox.url}/_/faults", json=body, timeout=5).status_code == 400


def test_delete_empties_the_state(gateway, sandbox):
    gateway.call(send_group_message(robot="sandbox-robot-1", group="g1", message=MESSAGE))
    fault(sandbox, "gateway", "error")
    requests.delete(f"{sandbox.url}/_/", timeout=5)
    assert control(sandbox, "messages") == {"messages": []}
    assert len(gateway.robots()) == 5


def test_a_restart_restores_the_state(gateway, sandbox):
    gateway.call(send_group_message(robot="sandbox-robot-1", group="g1", message=MESSAGE))
    lines = sandbox.state.journal.read_text().splitlines()
    assert json.loads(lines[-1])["message_no"] == "m1"
    again = type(sandbox.state)(sandbox.state.journal)
    assert list(again.messages) == ["m1"]


def sign_in_page(sandbox, **query) -> requests.Response:
    params = {"appid": "sandbox", "redirect_uri": "http://127.0.0.1:1/back?a=b", "state": "s"} | query
    return requests.get(f"{sandbox.url}/connect/oauth2/authorize", params=params, allow_redirects=False, timeout=5)


def test_wechats_sign_in_redirects_back_with_a_code_and_the_state(sandbox):
    answer = sign_in_page(sandbox, login="alice")
    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        "http://127.0.0.1:1/back?a=b&code=alice&state=s",
    )


def test_wechats_sign_in_page_offers_the_receivers_of_transfers(pay, sandbox):
    transfer(pay)
    page = sign_in_page(sandbox, state='"><script>').text
    assert '<button name="login" value="alice">' in page
    assert "/back?a=b&amp;state=" in page
    assert "<script>" not in page


def test_wechats_sign_in_accepts_its_own_app_and_web_addresses_only(sandbox):
    assert sign_in_page(sandbox, appid="other", login="alice").status_code == 400
    assert sign_in_page(sandbox, redirect_uri="javascript:alert(1)", login="alice").status_code == 400


def on_the_phone(sandbox, method: str, **params) -> requests.Response:
    query = {"mchId": "1900000001", "appId": "sandbox"} | params
    return requests.request(method, f"{sandbox.url}/phone/transfer", params=query, timeout=5)


def test_a_transfer_is_confirmed_with_its_package(pay, sandbox):
    requests.post(f"{sandbox.url}/_/pay", json={"next_state": "WAIT_USER_CONFIRM"}, timeout=5)
    package = pay.transfer(out_bill_no="0" * 32, openid="o", amount_fen=2000, remark="x").package_info
    shown = on_the_phone(sandbox, "GET", package=package)
    assert (shown.json(), shown.headers["Access-Control-Allow-Origin"]) == ({"amount": 2000}, "*")
    assert pay.query("0" * 32).state == "WAIT_USER_CONFIRM"
    assert on_the_phone(sandbox, "POST", package=package).status_code == 200
    assert pay.query("0" * 32).state == "SUCCESS"


def test_a_transfer_is_not_confirmed_by_another_package_merchant_or_app(pay, sandbox):
    requests.post(f"{sandbox.url}/_/pay", json={"next_state": "WAIT_USER_CONFIRM"}, timeout=5)
    package = pay.transfer(out_bill_no="0" * 32, openid="o", amount_fen=2000, remark="x").package_info
    for wrong in ({"package": ""}, {"package": "x"}, {"mchId": "1"}, {"appId": "other"}):
        assert on_the_phone(sandbox, "POST", **({"package": package} | wrong)).status_code == 404
    assert pay.query("0" * 32).state == "WAIT_USER_CONFIRM"
