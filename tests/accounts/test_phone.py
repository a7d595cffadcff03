"""Verification of a phone by SMS (`GET /sms/code/delivery`, `PUT /user/phone`)."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from accounts.models import User, VerificationCode
from integrations.sandbox.server import SandboxResponse
from tests.factories.people import UserFactory
from tests.support.client import ApiClient
from tests.support.outside_system import OutsideSystem, played_by, set_fault
from tests.support.phones import PHONE, code_sent, prove_phone

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(alice: User, settings) -> ApiClient:
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"sms": "99/20"}
    return ApiClient(alice)


def wrong(code: str) -> str:
    return "000000" if code != "000000" else "111111"


def test_the_code_that_came_by_sms_proves_the_phone(sandbox, client, alice):
    code = code_sent(sandbox, client)
    assert len(code) == 6
    assert prove_phone(client, code) == 1200
    alice.refresh_from_db()
    assert alice.phone == PHONE


def test_the_code_is_not_stored(sandbox, client):
    code = code_sent(sandbox, client)
    assert code not in str(VerificationCode.objects.values().get())


def test_a_code_works_once(sandbox, client):
    code = code_sent(sandbox, client)
    assert [prove_phone(client, code) for _ in range(2)] == [1200, 2302]
    assert prove_phone(client, wrong(code)) == 2302


def test_a_wrong_code_is_2301(sandbox, client):
    assert prove_phone(client, wrong(code_sent(sandbox, client))) == 2301


def test_a_code_that_was_never_sent_is_2302(client):
    assert prove_phone(client, "123456") == 2302


def test_five_wrong_tries_invalidate_the_code(sandbox, client):
    code = code_sent(sandbox, client)
    assert [prove_phone(client, wrong(code)) for _ in range(5)] == [2301] * 5
    assert [prove_phone(client, code), prove_phone(client, wrong(code))] == [2302] * 2


def test_after_four_wrong_tries_the_code_is_still_valid(sandbox, client):
    code = code_sent(sandbox, client)
    assert [prove_phone(client, wrong(code)) for _ in range(4)] == [2301] * 4
    assert prove_phone(client, code) == 1200


def test_a_code_older_than_an_hour_is_2302(sandbox, client, alice):
    code = code_sent(sandbox, client)
    with time_machine.travel(timezone.now() + timedelta(minutes=60, seconds=1)):
        assert prove_phone(ApiClient(alice), code) == 2302


def test_a_new_code_replaces_the_old_one(sandbox, client):
    old, new = code_sent(sandbox, client), code_sent(sandbox, client)
    if old != new:
        assert prove_phone(client, old) == 2301
    assert prove_phone(client, new) == 1200


def test_a_code_is_valid_for_its_user_only(sandbox, client):
    code = code_sent(sandbox, client)
    assert prove_phone(ApiClient(UserFactory()), code) == 2302


def test_a_code_is_valid_for_its_phone_only(sandbox, client):
    code = code_sent(sandbox, client)
    assert prove_phone(client, code, phone="13800138001") == 2302


def test_another_users_phone_is_2303(sandbox, client):
    UserFactory(phone=PHONE)
    assert prove_phone(client, code_sent(sandbox, client)) == 2303


def test_sms_down_is_1101(sandbox, client):
    set_fault(sandbox, "sms")
    assert client.get("/sms/code/delivery", phone=PHONE)["code"] == 1101


def test_a_second_sms_within_20_seconds_is_2304(sandbox, alice):
    client = ApiClient(alice)
    assert client.get("/sms/code/delivery", phone=PHONE)["code"] == 1200
    answer = client.http.get("/sms/code/delivery", {"phone": PHONE}, headers=client.headers)
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (200, 2304, "20")
    assert len(sandbox.state.sms) == 1


@pytest.mark.parametrize("spelling", ["\u200b{}", "{}\ufeff", " {}\u3000", "\u202e{}\n"])
def test_another_spelling_of_the_phone_counts_as_the_same(sandbox, alice, spelling):
    assert ApiClient(alice).get("/sms/code/delivery", phone=PHONE)["code"] == 1200
    for user in (alice, UserFactory()):
        assert ApiClient(user).get("/sms/code/delivery", phone=spelling.format(PHONE))["code"] == 2304
    assert len(sandbox.state.sms) == 1


def test_another_user_is_limited_for_the_same_phone(sandbox, alice):
    assert ApiClient(alice).get("/sms/code/delivery", phone=PHONE)["code"] == 1200
    assert ApiClient(UserFactory()).get("/sms/code/delivery", phone=PHONE)["code"] == 2304


def test_the_eleventh_sms_of_a_day_is_2304(sandbox, client):
    codes = [client.get("/sms/code/delivery", phone=PHONE)["code"] for _ in range(11)]
    assert codes == [1200] * 10 + [2304]


def test_a_blocked_user_gets_no_sms(sandbox, alice, client):
    User.objects.filter(pk=alice.pk).update(blocked_at=timezone.now())
    assert client.get("/sms/code/delivery", phone=PHONE)["code"] == 1401
    assert sandbox.state.sms == []


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("触发分钟级流控Permits:1", 60),
        ("触发小时级流控Permits:5", 3600),
        ("触发天级流控Permits:10", 86400),
        ("", 60),
    ],
)
def test_the_providers_flow_control_is_2304_with_the_waiting_time(
    tmp_path, settings, client, message: str, seconds: int
):
    limited = SandboxResponse({"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": message})
    with played_by(OutsideSystem(limited), tmp_path, settings):
        answer = client.http.get("/sms/code/delivery", {"phone": PHONE}, headers=client.headers)
    assert (answer.json()["code"], answer["Retry-After"]) == (2304, str(seconds))


@pytest.mark.parametrize(
    "reply",
    [
        SandboxResponse({"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发分钟级流控Permits:1"}),
        SandboxResponse({"Code": "Throttling.User", "Message": "Request was denied"}, 400),
        SandboxResponse({"Code": "isv.AMOUNT_NOT_ENOUGH", "Message": "账户余额不足"}),
        SandboxResponse({}, 429),
    ],
    ids=["number", "account", "refused", "429"],
)
def test_an_earlier_code_stays_valid_when_the_new_one_was_not_sent(sandbox, client, tmp_path, settings, reply):
    old = code_sent(sandbox, client)
    assert prove_phone(client, wrong(old)) == 2301
    with played_by(OutsideSystem(reply), tmp_path, settings):
        assert client.get("/sms/code/delivery", phone=PHONE)["code"] in (1101, 2304)
    assert [prove_phone(client, wrong(old)) for _ in range(3)] == [2301] * 3
    assert prove_phone(client, old) == 1200


@pytest.mark.parametrize(
    "code", ["isv.BUSINESS_LIMIT_CONTROL", "Throttling.User", "Throttling", "isv.DAY_LIMIT_CONTROL"]
)
def test_each_kind_of_flow_control_is_2304(tmp_path, settings, client, code: str):
    with played_by(OutsideSystem(SandboxResponse({"Code": code, "Message": "x"}, 400)), tmp_path, settings):
        assert client.get("/sms/code/delivery", phone=PHONE)["code"] == 2304


def test_both_codes_are_valid_when_it_is_unknown_whether_the_new_one_was_sent(sandbox, client):
    old = code_sent(sandbox, client)
    set_fault(sandbox, "sms", "drop_reply")
    assert client.get("/sms/code/delivery", phone=PHONE)["code"] == 1101
    new = "".join(digit for digit in sandbox.state.sms[-1]["content"].split(",")[0] if digit.isdigit())
    assert VerificationCode.objects.count() == 2
    assert prove_phone(client, old) == 1200
    assert prove_phone(client, new) == 2302


def test_a_code_proves_the_phone_although_the_providers_answer_was_lost(sandbox, client):
    code_sent(sandbox, client)
    set_fault(sandbox, "sms", "drop_reply")
    client.get("/sms/code/delivery", phone=PHONE)
    new = "".join(digit for digit in sandbox.state.sms[-1]["content"].split(",")[0] if digit.isdigit())
    assert prove_phone(client, new) == 1200


def test_five_wrong_tries_invalidate_every_usable_code(sandbox, client):
    old = code_sent(sandbox, client)
    set_fault(sandbox, "sms", "drop_reply")
    client.get("/sms/code/delivery", phone=PHONE)
    new = "".join(digit for digit in sandbox.state.sms[-1]["content"].split(",")[0] if digit.isdigit())
    guess = next(number for number in ("000000", "111111", "222222") if number not in (old, new))
    assert [prove_phone(client, guess) for _ in range(5)] == [2301] * 5
    assert [prove_phone(client, old), prove_phone(client, new)] == [2302, 2302]
