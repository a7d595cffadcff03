"""Texting many phones: accepted at once, sent behind, each number once, all or none."""

from datetime import timedelta

import pytest
from django.utils import timezone

from config.models import Scope
from integrations.models import TextMessage
from integrations.tasks import send_texts
from tests.doors import key_with

pytestmark = pytest.mark.django_db
Status = TextMessage.Status


def text(*phones: object, content: object = "系统升级") -> dict:
    return key_with(Scope.SMS_SEND).post("/sms/delivery/batch", {"phones": list(phones), "content": content})


def phones(count: int) -> list[str]:
    return [f"138{number:08d}" for number in range(count)]


def test_each_phone_hears_it_once(sandbox):
    assert text("13800138000", "13800138001", "13800138000")["code"] == 1200
    assert sandbox.state.sms == []
    send_texts()
    assert sorted(one["phone"] for one in sandbox.state.sms) == ["13800138000", "13800138001"]
    assert {one["content"] for one in sandbox.state.sms} == {"【群助手】系统升级"}


def test_phones_may_come_in_one_text_with_commas(sandbox):
    body = {"phones": "13800138000, 13800138001", "content": "系统升级"}
    assert key_with(Scope.SMS_SEND).post("/sms/delivery/batch", body)["code"] == 1200
    assert send_texts() == 2


def test_bad_numbers_are_named_and_nobody_is_texted():
    told = text("13800138000", "12800138000", "1380013800a")
    assert told["code"] == 1403
    assert "12800138000" in told["description"]
    assert "1380013800a" in told["description"]
    assert not TextMessage.objects.exists()


def test_however_many_bad_numbers_all_are_named():
    told = text("13800138000", *(f"1{number:03}" for number in range(30)))
    assert "30 个" in told["description"]
    assert all(f"1{number:03}" in told["description"] for number in range(30))


def test_a_thousand_at_a_time_and_no_more():
    assert text(*phones(1000))["code"] == 1200
    assert text(*phones(1001))["code"] == 1403
    assert TextMessage.objects.count() == 1000


def test_sending_again_says_nothing_twice(sandbox):
    text("13800138000")
    assert (send_texts(), send_texts()) == (1, 0)


def test_what_aliyun_refuses_is_failed_and_says_why(sandbox, settings):
    settings.SMS_ACCESS_KEY_SECRET = "wrong"
    text("13800138000")
    send_texts()
    message = TextMessage.objects.get()
    assert message.status == Status.FAILED
    assert message.reason


def test_an_unknown_outcome_is_not_tried_again(sandbox):
    sandbox.state.note("fault", system="sms", mode="drop_reply", rate=1.0)
    text("13800138000")
    send_texts()
    sandbox.state.faults.clear()
    assert TextMessage.objects.get().status == Status.UNKNOWN
    assert send_texts() == 0


def test_what_a_killed_sender_had_in_hand_is_settled_as_unknown():
    long_ago = timezone.now() - timedelta(minutes=5)
    TextMessage.objects.create(
        batch="00000000-0000-0000-0000-000000000000",
        phone="13800138000",
        content="x",
        status=Status.SENDING,
        created_at=long_ago,
        retry_at=long_ago,
        try_count=1,
    )
    assert send_texts() == 0
    assert TextMessage.objects.get().status == Status.UNKNOWN
