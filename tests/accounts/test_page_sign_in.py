"""Sign-in through WeChat on the payout page: redirect to WeChat and return in the same browser."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.utils import timezone

from accounts.models import User
from config.platform import cache
from earnings.models import Withdrawal
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.outside_system import set_fault
from tests.support.wechat_browser import WeChatBrowser, page_of, path_of, query_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def withdrawal(sandbox: Any) -> Withdrawal:
    alice = UserFactory(phone="13800138000", union_id="union-alice")
    credit(alice, "20")
    return requested_withdrawal(alice)


def redirect_to_wechat(phone: WeChatBrowser, path: str) -> str:
    """Return the URL at WeChat to which an unknown browser is redirected."""
    answer = phone.get(path)
    assert answer.status_code == 302
    return str(answer["Location"])


def test_an_unknown_browser_is_redirected_to_wechat(withdrawal, settings):
    settings.PUBLIC_BASE_URL = "https://api.example.com"
    settings.WECHAT_OAUTH_BASE_URL = "https://open.weixin.qq.com"
    address = redirect_to_wechat(WeChatBrowser("alice"), page_of(withdrawal))
    query = query_of(address)
    assert address.startswith("https://open.weixin.qq.com/connect/oauth2/authorize?appid=sandbox&redirect_uri=")
    assert address.endswith("#wechat_redirect")
    assert list(query) == ["appid", "redirect_uri", "response_type", "scope", "state"]
    assert query["redirect_uri"] == f"https://api.example.com{page_of(withdrawal)}"
    assert (query["response_type"], query["scope"]) == ("code", "snsapi_userinfo")
    assert re.fullmatch(r"[0-9a-zA-Z]{1,128}", query["state"])


def test_an_unknown_browser_does_not_learn_whether_a_withdrawal_exists(withdrawal):
    existing, unknown = (
        query_of(redirect_to_wechat(WeChatBrowser("alice"), path))
        for path in (page_of(withdrawal), f"/payouts/{uuid4()}/confirm")
    )
    assert {name for name in existing if existing[name] != unknown[name]} == {"redirect_uri", "state"}


def test_the_sign_in_uses_the_app_in_which_the_withdrawal_is_paid(sandbox, settings):
    settings.WECHAT_APPS = {"sandbox": "s", "second-app": "s"}
    user = UserFactory(phone="13800138000", app_id="second-app")
    credit(user, "20")
    assert (
        query_of(redirect_to_wechat(WeChatBrowser("alice"), page_of(requested_withdrawal(user))))["appid"]
        == "second-app"
    )


def test_a_return_with_a_code_sets_the_proof_and_redirects_to_the_page(withdrawal):
    phone = WeChatBrowser("alice")
    back = phone.sign_in_at(redirect_to_wechat(phone, page_of(withdrawal)))
    answer = phone.get(path_of(back))
    assert (answer.status_code, answer["Location"]) == (302, page_of(withdrawal))
    assert answer.cookies["wechat_proof"].value
    assert answer.cookies["wechat_sign_in"]["max-age"] == 0
    assert phone.get(page_of(withdrawal)).status_code == 200


def refused(answer: Any) -> bool:
    """Return whether the answer is the page that offers another sign-in, without a proof cookie."""
    is_page = (answer.status_code, "微信登录没有完成" in answer.text) == (403, True)
    return is_page and "wechat_proof" not in answer.cookies


def test_a_code_from_another_browser_signs_nobody_in(withdrawal):
    """Mallory makes alice open the URL at which mallory's own sign-in would end."""
    mallory, alice = WeChatBrowser("mallory"), WeChatBrowser("alice")
    back = path_of(mallory.sign_in_at(redirect_to_wechat(mallory, page_of(withdrawal))))
    assert refused(alice.get(back))
    redirect_to_wechat(alice, page_of(withdrawal))
    assert refused(alice.get(back))


@pytest.mark.parametrize("state", ["", "forged", "0" * 64, "é"])
def test_a_forged_state_signs_nobody_in(withdrawal, state: str):
    phone = WeChatBrowser("alice")
    redirect_to_wechat(phone, page_of(withdrawal))
    assert refused(phone.get(page_of(withdrawal), code="alice", state=state))


def test_a_state_is_valid_for_one_page(withdrawal):
    phone = WeChatBrowser("alice")
    state = query_of(redirect_to_wechat(phone, page_of(withdrawal)))["state"]
    assert refused(phone.get(f"/payouts/{uuid4()}/confirm", code="alice", state=state))


def test_a_sign_in_expires_after_ten_minutes(withdrawal):
    phone = WeChatBrowser("alice")
    back = phone.sign_in_at(redirect_to_wechat(phone, page_of(withdrawal)))
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert refused(phone.get(path_of(back)))


def test_a_user_who_refuses_is_not_redirected_again(withdrawal):
    phone = WeChatBrowser("alice")
    state = query_of(redirect_to_wechat(phone, page_of(withdrawal)))["state"]
    assert refused(phone.get(page_of(withdrawal), state=state))


def test_a_code_that_wechat_refuses_is_403(withdrawal):
    phone = WeChatBrowser("bad")
    answer = phone.get(path_of(phone.sign_in_at(redirect_to_wechat(phone, page_of(withdrawal)))))
    assert (answer.status_code, "微信授权失败" in answer.text) == (403, True)


def test_an_error_of_wechat_is_503(withdrawal, sandbox):
    phone = WeChatBrowser("alice")
    back = phone.sign_in_at(redirect_to_wechat(phone, page_of(withdrawal)))
    set_fault(sandbox, "wechat")
    answer = phone.get(path_of(back))
    assert (answer.status_code, "微信没有响应" in answer.text) == (503, True)


def test_a_url_that_wechat_opens_twice_redirects_to_the_page_twice(withdrawal):
    phone = WeChatBrowser("alice")
    back = path_of(phone.sign_in_at(redirect_to_wechat(phone, page_of(withdrawal))))
    assert [phone.get(back)["Location"] for _ in range(2)] == [page_of(withdrawal)] * 2


def test_two_tabs_sign_in_at_the_same_time(withdrawal):
    phone = WeChatBrowser("alice")
    backs = [phone.sign_in_at(redirect_to_wechat(phone, page_of(withdrawal))) for _ in range(2)]
    assert phone.get(path_of(backs[0]))["Location"] == page_of(withdrawal)


def test_a_user_can_sign_in_with_another_account(withdrawal):
    phone = WeChatBrowser("mallory")
    assert phone.open(page_of(withdrawal)).status_code == 404
    phone.name = "alice"
    assert phone.open(f"{page_of(withdrawal)}?again=1").status_code == 200


def test_an_expired_proof_leads_to_a_new_sign_in(withdrawal):
    phone = WeChatBrowser("alice")
    assert phone.open(page_of(withdrawal)).status_code == 200
    User.objects.filter(union_id="union-alice").update(signed_out_at=timezone.now())
    assert "/connect/oauth2/authorize" in redirect_to_wechat(phone, page_of(withdrawal))


def test_too_many_requests_are_429_with_retry_after(withdrawal, settings):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "page_sign_in": "1/60"}
    answers = [WeChatBrowser("alice").get(page_of(withdrawal)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 429]
    assert answers[1]["Retry-After"]
    assert "操作太频繁" in answers[1].text


def test_without_redis_the_page_is_503(withdrawal, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    cache.redis.cache_clear()
    answer = WeChatBrowser("alice").get(page_of(withdrawal))
    cache.redis.cache_clear()
    assert (answer.status_code, answer["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert "暂时打不开" in answer.text
