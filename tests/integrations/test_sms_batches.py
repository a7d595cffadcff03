"""Batches of text messages: a batch is accepted or refused as a whole, and sent later, once to each number."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from config.models import Scope
from integrations.models import TextMessage
from integrations.sandbox.server import SandboxResponse
from integrations.tasks import send_texts
from tests.factories.people import OperatorFactory
from tests.support.entry_points import key_with
from tests.support.outside_system import OutsideSystem, played_by, set_fault

pytestmark = pytest.mark.django_db
Status = TextMessage.Status


def text(*phones: object, content: object = "系统升级") -> dict:
    return key_with(Scope.SMS_SEND).post("/sms/delivery/batch", {"phones": list(phones), "content": content})


def phones(count: int) -> list[str]:
    return [f"138{number:08d}" for number in range(count)]


def test_each_phone_gets_the_text_once(sandbox):
    assert text("13800138000", "13800138001", "13800138000")["code"] == 1200
    assert sandbox.state.sms == []
    send_texts()
    assert sorted(message["phone"] for message in sandbox.state.sms) == ["13800138000", "13800138001"]
    assert {message["content"] for message in sandbox.state.sms} == {"【群助手】系统升级"}


def test_phones_may_come_in_one_text_with_commas(sandbox):
    body = {"phones": "13800138000, 13800138001", "content": "系统升级"}
    assert key_with(Scope.SMS_SEND).post("/sms/delivery/batch", body)["code"] == 1200
    assert send_texts() == 2


def test_invalid_numbers_are_named_and_no_text_is_sent():
    answer = text("13800138000", "12800138000", "1380013800a")
    assert answer["code"] == 1403
    assert "12800138000" in answer["description"]
    assert "1380013800a" in answer["description"]
    assert not TextMessage.objects.exists()


def test_all_invalid_numbers_are_named_however_many():
    answer = text("13800138000", *(f"1{number:03}" for number in range(30)))
    assert "30 个" in answer["description"]
    assert all(f"1{number:03}" in answer["description"] for number in range(30))


def test_a_thousand_at_a_time_and_no_more():
    assert text(*phones(1000))["code"] == 1200
    assert text(*phones(1001))["code"] == 1403
    assert TextMessage.objects.count() == 1000


def test_sending_again_sends_nothing_twice(sandbox):
    text("13800138000")
    assert (send_texts(), send_texts()) == (1, 0)


def test_a_text_that_aliyun_refuses_is_failed_with_the_reason(sandbox, settings):
    settings.SMS_ACCESS_KEY_SECRET = "wrong"
    text("13800138000")
    send_texts()
    message = TextMessage.objects.get()
    assert message.status == Status.FAILED
    assert message.last_error


def test_an_unknown_outcome_is_not_tried_again(sandbox):
    set_fault(sandbox, "sms", "drop_reply")
    text("13800138000")
    send_texts()
    sandbox.state.faults.clear()
    assert TextMessage.objects.get().status == Status.UNKNOWN
    assert send_texts() == 0


def test_a_text_that_a_killed_worker_was_sending_ends_as_unknown():
    long_ago = timezone.now() - timedelta(minutes=5)
    TextMessage.objects.create(
        batch="00000000-0000-0000-0000-000000000000",
        phone="13800138000",
        content="x",
        created_at=long_ago,
        next_attempt_at=long_ago,
        leased_until=long_ago + timedelta(minutes=2),
        attempts=1,
    )
    assert send_texts() == 0
    assert TextMessage.objects.get().status == Status.UNKNOWN


OK = SandboxResponse({"Code": "OK", "Message": "OK"})
THROTTLED = SandboxResponse(
    {"Code": "Throttling.User", "Message": "Request was denied due to user flow control."}, 400
)
LIMITED = SandboxResponse({"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发分钟级流控Permits:1"})


def send_later(**later: float) -> int:
    with time_machine.travel(timezone.now() + timedelta(**later), tick=True):
        return send_texts()


def statuses() -> list[int]:
    return list(TextMessage.objects.order_by("id").values_list("status", flat=True))


@pytest.mark.parametrize(
    "reply", [THROTTLED, LIMITED, SandboxResponse({}, 429), SandboxResponse({"Code": "Throttling.Api"})]
)
def test_texts_that_flow_control_stopped_wait_and_are_sent_later(tmp_path, settings, reply: SandboxResponse):
    with played_by(OutsideSystem(reply, OK), tmp_path, settings) as aliyun:
        text("13800138000", "13800138001", "13800138002")
        send_texts()
        assert Status.FAILED not in statuses()
        send_later(seconds=70)
        assert statuses() == [Status.SENT] * 3
        assert len(aliyun.calls) == 4


def test_a_number_at_its_limit_delays_no_other(tmp_path, settings):
    with played_by(OutsideSystem(LIMITED, OK), tmp_path, settings):
        text(*phones(3))
        assert send_texts() == 3
    assert statuses() == [Status.WAITING, Status.SENT, Status.SENT]


def test_an_account_that_is_throttled_ends_the_sweep(tmp_path, settings):
    with played_by(OutsideSystem(THROTTLED, OK), tmp_path, settings):
        text(*phones(3))
        assert (send_texts(), send_texts()) == (1, 2)


def test_a_limit_of_a_day_is_outlasted(tmp_path, settings):
    with played_by(OutsideSystem(LIMITED), tmp_path, settings) as aliyun:
        text("13800138000")
        for hours in range(24):
            send_later(hours=hours)
        assert (statuses(), len(aliyun.calls) <= 30) == ([Status.WAITING], True)
        aliyun.replies = [OK]
        send_later(hours=26)
    assert statuses() == [Status.SENT]


@pytest.mark.parametrize("code", ["isp.SYSTEM_ERROR", "isp.GATEWAY_ERROR", "InternalError"])
def test_an_error_after_which_the_text_may_have_been_sent_is_unknown(tmp_path, settings, code: str):
    with played_by(OutsideSystem(SandboxResponse({"Code": code, "Message": "x"})), tmp_path, settings):
        text("13800138000")
        send_texts()
    assert statuses() == [Status.UNKNOWN]


def test_an_operator_has_failed_texts_sent_again_and_no_others(tmp_path, settings):
    refused, unknown = (
        SandboxResponse({"Code": "isv.AMOUNT_NOT_ENOUGH"}),
        SandboxResponse({"Code": "isp.SYSTEM_ERROR"}),
    )
    client = Client()
    client.force_login(OperatorFactory())
    with played_by(OutsideSystem(refused, OK, unknown, OK), tmp_path, settings) as aliyun:
        text(*phones(3))
        send_texts()
        assert statuses() == [Status.FAILED, Status.SENT, Status.UNKNOWN]
        chosen = list(TextMessage.objects.values_list("pk", flat=True))
        form = {"action": "retry", "_selected_action": chosen}
        assert "结果未知的可能已经送达" in client.post("/admin/integrations/textmessage/", form, follow=True).text
        page = client.post("/admin/integrations/textmessage/", form | {"confirmed": "1"}, follow=True).text
        send_texts()
    assert "将重试 1 条" in page
    assert (statuses(), len(aliyun.calls)) == ([Status.SENT, Status.SENT, Status.UNKNOWN], 4)
