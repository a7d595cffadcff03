"""The page on which a user confirms a transfer: its content, its access, and the query after a confirmation."""

import hashlib
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import User
from config.platform import cache
from earnings import withdrawals
from earnings.models import Payout, Withdrawal
from earnings.payouts import pauses
from earnings.tasks import query_payouts, send_payouts
from robots.models import OutboxMessage, SourceType
from tests.factories.money import requested_withdrawal
from tests.factories.people import FriendshipFactory, UserFactory
from tests.support.outside_system import set_fault
from tests.support.payouts import bills, block, query_later, set_next_state, states_of
from tests.support.wechat_browser import CHROME, WeChatBrowser, confirm_in_wechat, page_of, path_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(alice: User) -> WeChatBrowser:
    """Alice's browser in WeChat."""
    User.objects.filter(pk=alice.pk).update(union_id="union-alice")
    return WeChatBrowser("alice")


@pytest.fixture
def waiting(approved: Withdrawal, sandbox: Any) -> Withdrawal:
    """A sent withdrawal that waits for alice's confirmation."""
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    return approved


def script_data(page: str) -> dict[str, str]:
    """Return the data attributes of the page, which its script reads."""
    return dict(re.findall(r'data-([a-z-]+)="([^"]*)"', page.split("<main", 1)[1].split(">", 1)[0]))


def test_the_robots_link_shows_the_amount_and_contains_the_parameters_for_wechat(approved, alice, browser, sandbox):
    FriendshipFactory(user=alice)
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    [message] = OutboxMessage.objects.filter(source_type=SourceType.PAYOUT)
    link = re.search(r"http\S+", message.content["content"])[0]
    page = browser.open(path_of(link))
    assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert ("20.00" in page.text, "等待你确认收款" in page.text) == (True, True)
    data, payout = script_data(page.text), Payout.objects.get()
    assert (data["mch-id"], data["app-id"], data["package"]) == ("1900000001", "sandbox", payout.package_info)


def test_the_page_is_signed_for_its_own_url(waiting, browser, settings):
    settings.PUBLIC_BASE_URL = "https://api.example.com"
    data = script_data(browser.open(page_of(waiting)).text)
    signed = (
        f"jsapi_ticket=sandbox-ticket&noncestr={data['nonce']}&timestamp={data['timestamp']}"
        f"&url=https://api.example.com{page_of(waiting)}"
    )
    assert data["signature"] == hashlib.sha1(signed.encode()).hexdigest()


def test_another_users_page_looks_like_an_unknown_page(waiting, sandbox):
    UserFactory(union_id="union-mallory")
    mallory, unregistered = WeChatBrowser("mallory"), WeChatBrowser("nobody-we-know")
    answers = [mallory.open(page_of(waiting)), mallory.open(f"/payouts/{uuid4()}/confirm")]
    answers.append(unregistered.open(page_of(waiting)))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert "没有找到这笔提现" in answers[0].text
    assert "20.00" not in answers[0].text


@pytest.mark.parametrize("reference", ["x", "%00", "1' OR 1", "9" * 200])
def test_an_invalid_id_is_404(reference: str):
    answer = WeChatBrowser("alice").get(f"/payouts/{reference}/confirm")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_the_state_is_visible_to_the_withdrawals_own_user_only(waiting, browser, sandbox):
    UserFactory(union_id="union-mallory")
    mallory = WeChatBrowser("mallory")
    assert browser.state(waiting)["code"] == 1401
    for phone in (browser, mallory):
        phone.open(page_of(waiting))
    assert browser.state(waiting)["data"] == {"state": "to_confirm"}
    assert [mallory.state(waiting, method)["code"] for method in ("get", "post")] == [1404, 1404]


def reject(withdrawal: Withdrawal) -> None:
    withdrawals.reject([withdrawal.pk], by="root", reason="资料不符", at=timezone.now())


def leave_to_operators(withdrawal: Withdrawal) -> None:
    Payout.objects.filter(pk=withdrawal.pk).update(needs_operator_at=timezone.now())


def sent_with(bill_state: str, then: Any = None) -> Any:
    """Return a function that approves and sends a withdrawal with this bill state, and then calls `then`."""

    def prepare(withdrawal: Withdrawal, sandbox: Any) -> None:
        set_next_state(sandbox, bill_state)
        withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
        send_payouts()
        if then:
            then(withdrawal, sandbox)

    return prepare


STAGES = [
    (lambda withdrawal, sandbox: None, "reviewing", "正在审核"),
    (lambda withdrawal, sandbox: reject(withdrawal), "rejected", "资料不符"),
    (sent_with("PROCESSING"), "paying", "正在打款"),
    (sent_with("WAIT_USER_CONFIRM"), "to_confirm", "等待你确认收款"),
    (sent_with("TRANSFERING", lambda w, s: query_later()), "paying", "正在打款"),
    (sent_with("WAIT_USER_CONFIRM", lambda w, s: leave_to_operators(w)), "checking", "人工核实"),
    (sent_with("SUCCESS"), "paid", "已到账"),
    (sent_with("FAIL"), "failed", "微信支付账户被冻结"),
    (sent_with("WAIT_USER_CONFIRM", lambda w, s: query_later(hours=26)), "failed", "超过 24 小时没有确认"),
]


@pytest.mark.parametrize(("prepare", "state", "text"), STAGES, ids=[f"{row[1]}-{row[2]}" for row in STAGES])
def test_the_page_shows_the_stage_of_a_withdrawal(alice, browser, sandbox, prepare: Any, state: str, text: str):
    withdrawal = requested_withdrawal(alice)
    prepare(withdrawal, sandbox)
    page = browser.open(page_of(withdrawal)).text
    assert (text in page, script_data(page)["state"], browser.state(withdrawal)["data"]) == (
        True,
        state,
        {"state": state},
    )
    assert ('id="confirm"' in page) == (state == "to_confirm")
    assert ("退回余额" in page) == (state in ("rejected", "failed"))


def test_a_stuck_transfer_can_be_confirmed_again(waiting, browser, sandbox):
    sandbox.state.note("bill", out_bill_no=waiting.pk.hex, state="TRANSFERING")
    query_later()
    page = browser.open(page_of(waiting)).text
    assert ("再次确认收款" in page, script_data(page)["state"]) == (True, "transferring")


def test_the_page_shows_that_the_user_had_no_wechat_account(alice, browser, sandbox):
    User.objects.filter(pk=alice.pk).update(open_id="")
    withdrawal = requested_withdrawal(alice)
    withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
    send_payouts()
    assert "还没有绑定微信" in browser.open(page_of(withdrawal)).text


def test_after_a_confirmation_the_workers_query_at_once(waiting, browser, sandbox):
    browser.open(page_of(waiting))
    assert confirm_in_wechat(sandbox, waiting) == 200
    assert query_payouts() == 0  # not due for a minute
    assert browser.state(waiting, "post")["data"] == {"state": "to_confirm"}
    assert query_payouts() == 1
    assert browser.state(waiting)["data"] == {"state": "paid"}
    assert states_of(waiting) == (3, "succeeded")


def test_a_claimed_confirmation_pays_nothing(waiting, browser, sandbox):
    browser.open(page_of(waiting))
    browser.state(waiting, "post")
    query_payouts()
    assert states_of(waiting) == (1, "waiting_user")
    assert bills(sandbox) == [("WAIT_USER_CONFIRM", 1)]


def test_confirming_twice_pays_once(waiting, browser, sandbox):
    browser.open(page_of(waiting))
    assert [confirm_in_wechat(sandbox, waiting) for _ in range(2)] == [200, 409]
    for _ in range(2):
        browser.state(waiting, "post")
        query_payouts()
    assert states_of(waiting) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_only_payouts_that_wait_for_their_user_are_queried_sooner(approved, browser, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    before = Payout.objects.get().next_attempt_at
    browser.open(page_of(approved))
    assert browser.state(approved, "post")["data"] == {"state": "paying"}
    assert Payout.objects.get().next_attempt_at == before


def test_a_blocked_user_sees_the_block_and_cannot_confirm(waiting, alice, browser, sandbox):
    block(alice)
    page = browser.open(page_of(waiting)).text
    assert ("账号已被封" in page, 'id="confirm"' in page, script_data(page)["state"]) == (True, False, "cancelling")
    assert browser.state(waiting, "post")["code"] == 1401
    query_later()
    assert "账号已被封，这笔收款已取消" in browser.open(page_of(waiting)).text


def test_the_state_is_throttled_per_user(waiting, browser, alice, settings, sandbox):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "payout": "2/60"}
    bob = UserFactory(union_id="union-bob")
    browser.open(page_of(waiting))
    assert [browser.state(waiting, "post")["code"] for _ in range(3)] == [1200, 1200, 1429]
    other = WeChatBrowser("bob")
    other.open(page_of(waiting))
    assert other.state(waiting)["code"] == 1404
    assert bob.pk != alice.pk


def test_outside_wechat_the_page_shows_the_link_to_open_in_wechat(waiting, browser, settings):
    settings.EMBEDDED = False
    answer = WeChatBrowser("alice", agent=CHROME).get(page_of(waiting))
    assert (answer.status_code, "请在微信里打开" in answer.text) == (200, True)
    assert f'value="{settings.PUBLIC_BASE_URL}{page_of(waiting)}"' in answer.text
    assert "20.00" not in answer.text


def test_outside_wechat_a_signed_in_user_sees_the_amount_and_cannot_confirm(waiting, browser, settings):
    browser.open(page_of(waiting))
    settings.EMBEDDED = False
    page = browser.http.get(page_of(waiting), headers={"User-Agent": CHROME}).text
    assert ("20.00" in page, "这里不是微信" in page, "复制链接" in page) == (True, True, True)
    assert ('id="confirm"' in page, "jweixin" in page) == (False, False)


def test_in_the_embedded_mode_the_sandbox_replaces_wechat_in_any_browser(waiting, browser, settings):
    page = WeChatBrowser("alice", agent=CHROME).open(page_of(waiting)).text
    assert ("这里不是微信" in page, "沙箱可以代替微信" in page, 'id="confirm"' in page) == (True, True, True)
    assert settings.WECHAT_JS_SDK_URL in page


def test_without_an_answer_of_wechat_the_page_shows_a_note(waiting, browser, sandbox):
    browser.open(page_of(waiting))
    cache.redis().flushdb()  # the ticket is cached for two hours
    set_fault(sandbox, "wechat")
    page = browser.open(page_of(waiting)).text
    assert ("微信暂时没有响应" in page, 'id="confirm"' in page, "20.00" in page) == (True, False, True)


def test_a_waiting_transfer_can_be_confirmed_during_a_pause(waiting, browser, sandbox):
    pauses.pause_payouts(by="root", reason="对账", at=timezone.now())
    browser.open(page_of(waiting))
    confirm_in_wechat(sandbox, waiting)
    browser.state(waiting, "post")
    query_payouts()
    assert states_of(waiting) == (3, "succeeded")


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_the_page_has_no_inline_script_or_style_and_is_not_cached(waiting, browser, is_signed_in: bool):
    answer = browser.open(page_of(waiting)) if is_signed_in else browser.get("/payouts/x/confirm")
    assert answer["Cache-Control"] == "no-store"
    assert [tag for tag in re.findall(r"<script[^>]*>", answer.text) if "src=" not in tag] == []
    assert re.search(r"<style|\sstyle=|\son\w+=", answer.text) is None


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_page_accepts_only_reading_methods(method: str, client: Any):
    answer = getattr(client, method)(f"/payouts/{uuid4()}/confirm")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_the_page_shows_the_deadline_of_the_confirmation(waiting, browser):
    called = timezone.localtime(Payout.objects.get().called_at)
    assert f"{called + timedelta(hours=24):%Y-%m-%d %H:%M}" in browser.open(page_of(waiting)).text
