"""The page on which a user confirms a transfer: what it shows, to whom, and what it sets in motion."""

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
from robots.models import OutboxMessage
from tests.factories.money import ask
from tests.factories.people import FriendshipFactory, UserFactory
from tests.support.payouts import bills, block, query_later, set_fault, set_next_state, states_of
from tests.support.wechat_browser import CHROME, WeChatBrowser, confirm_in_wechat, page_of, path_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def holder(alice: User) -> WeChatBrowser:
    """Alice's phone."""
    User.objects.filter(pk=alice.pk).update(union_id="union-alice")
    return WeChatBrowser("alice")


@pytest.fixture
def waiting(approved: Withdrawal, sandbox: Any) -> Withdrawal:
    """Sent, and waiting for alice."""
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    return approved


def facts_of(page: str) -> dict[str, str]:
    """What the page gives its script."""
    return dict(re.findall(r'data-([a-z-]+)="([^"]*)"', page.split("<main", 1)[1].split(">", 1)[0]))


def test_the_robots_link_leads_to_the_amount_and_what_wechat_needs(approved, alice, holder, sandbox):
    FriendshipFactory(user=alice)
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    [message] = OutboxMessage.objects.filter(cause__startswith="payout")
    link = re.search(r"http\S+", message.content["content"])[0]
    page = holder.open(path_of(link))
    assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert ("20.00" in page.text, "等待你确认收款" in page.text) == (True, True)
    facts, payout = facts_of(page.text), Payout.objects.get()
    assert (facts["mch-id"], facts["app-id"], facts["package"]) == ("1900000001", "sandbox", payout.package_info)


def test_the_page_is_signed_for_its_own_address(waiting, holder, settings):
    settings.PUBLIC_BASE_URL = "https://api.example.com"
    facts = facts_of(holder.open(page_of(waiting)).text)
    signed = (
        f"jsapi_ticket=sandbox-ticket&noncestr={facts['nonce']}&timestamp={facts['timestamp']}"
        f"&url=https://api.example.com{page_of(waiting)}"
    )
    assert facts["signature"] == hashlib.sha1(signed.encode()).hexdigest()


def test_somebody_elses_page_looks_as_one_that_is_not_there(waiting, sandbox):
    UserFactory(union_id="union-mallory")
    mallory, stranger = WeChatBrowser("mallory"), WeChatBrowser("nobody-we-know")
    answers = [mallory.open(page_of(waiting)), mallory.open(f"/payouts/{uuid4()}/confirm")]
    answers.append(stranger.open(page_of(waiting)))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert "没有找到这笔提现" in answers[0].text
    assert "20.00" not in answers[0].text


@pytest.mark.parametrize("reference", ["x", "%00", "1' OR 1", "9" * 200])
def test_what_is_no_id_is_not_found(reference: str):
    answer = WeChatBrowser("alice").get(f"/payouts/{reference}/confirm")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_the_script_is_told_of_ones_own_withdrawals_only(waiting, holder, sandbox):
    UserFactory(union_id="union-mallory")
    mallory = WeChatBrowser("mallory")
    assert holder.state(waiting)["code"] == 1401
    for phone in (holder, mallory):
        phone.open(page_of(waiting))
    assert holder.state(waiting)["data"] == {"state": "to_confirm"}
    assert [mallory.state(waiting, method)["code"] for method in ("get", "post")] == [1404, 1404]


def rejected(withdrawal: Withdrawal) -> None:
    withdrawals.reject([withdrawal.pk], by="root", reason="资料不符", at=timezone.now())


def left_to_operators(withdrawal: Withdrawal) -> None:
    Payout.objects.filter(pk=withdrawal.pk).update(needs_operator_at=timezone.now())


def stands_after(turned_out: str, then: Any = None) -> Any:
    """Approved and sent, with this outcome; then what happens to it."""

    def bring_there(withdrawal: Withdrawal, sandbox: Any) -> None:
        set_next_state(sandbox, turned_out)
        withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
        send_payouts()
        if then:
            then(withdrawal, sandbox)

    return bring_there


STANDS = [
    (lambda withdrawal, sandbox: None, "reviewing", "正在审核"),
    (lambda withdrawal, sandbox: rejected(withdrawal), "rejected", "资料不符"),
    (stands_after("PROCESSING"), "paying", "正在打款"),
    (stands_after("WAIT_USER_CONFIRM"), "to_confirm", "等待你确认收款"),
    (stands_after("TRANSFERING", lambda w, s: query_later()), "paying", "正在打款"),
    (stands_after("WAIT_USER_CONFIRM", lambda w, s: left_to_operators(w)), "checking", "人工核实"),
    (stands_after("SUCCESS"), "paid", "已到账"),
    (stands_after("FAIL"), "failed", "微信支付账户被冻结"),
    (stands_after("WAIT_USER_CONFIRM", lambda w, s: query_later(hours=26)), "failed", "超过 24 小时没有确认"),
]


@pytest.mark.parametrize(("bring_there", "state", "words"), STANDS, ids=[f"{row[1]}-{row[2]}" for row in STANDS])
def test_it_says_how_a_withdrawal_stands(alice, holder, sandbox, bring_there: Any, state: str, words: str):
    withdrawal = ask(alice)
    bring_there(withdrawal, sandbox)
    page = holder.open(page_of(withdrawal)).text
    assert (words in page, facts_of(page)["state"], holder.state(withdrawal)["data"]) == (
        True,
        state,
        {"state": state},
    )
    assert ('id="confirm"' in page) == (state == "to_confirm")
    assert ("退回余额" in page) == (state in ("rejected", "failed"))


def test_a_transfer_that_got_stuck_may_be_confirmed_once_more(waiting, holder, sandbox):
    sandbox.state.note("bill", out_bill_no=waiting.pk.hex, state="TRANSFERING")
    query_later()
    page = holder.open(page_of(waiting)).text
    assert ("再次确认收款" in page, facts_of(page)["state"]) == (True, "transferring")


def test_who_had_no_account_to_be_paid_to_is_told_so(alice, holder, sandbox):
    User.objects.filter(pk=alice.pk).update(open_id="")
    withdrawal = ask(alice)
    withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
    send_payouts()
    assert "还没有绑定微信" in holder.open(page_of(withdrawal)).text


def test_once_wechat_has_confirmed_the_workers_ask_at_once(waiting, holder, sandbox):
    holder.open(page_of(waiting))
    assert confirm_in_wechat(sandbox, waiting) == 200
    assert query_payouts() == 0  # not due for a minute
    assert holder.state(waiting, "post")["data"] == {"state": "to_confirm"}
    assert query_payouts() == 1
    assert holder.state(waiting)["data"] == {"state": "paid"}
    assert states_of(waiting) == (3, "succeeded")


def test_saying_that_one_has_confirmed_pays_nothing(waiting, holder, sandbox):
    holder.open(page_of(waiting))
    holder.state(waiting, "post")
    query_payouts()
    assert states_of(waiting) == (1, "waiting_user")
    assert bills(sandbox) == [("WAIT_USER_CONFIRM", 1)]


def test_confirming_twice_pays_once(waiting, holder, sandbox):
    holder.open(page_of(waiting))
    assert [confirm_in_wechat(sandbox, waiting) for _ in range(2)] == [200, 409]
    for _ in range(2):
        holder.state(waiting, "post")
        query_payouts()
    assert states_of(waiting) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_only_what_waits_for_its_user_is_asked_about_sooner(approved, holder, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    before = Payout.objects.get().due_at
    holder.open(page_of(approved))
    assert holder.state(approved, "post")["data"] == {"state": "paying"}
    assert Payout.objects.get().due_at == before


def test_a_blocked_user_is_told_and_confirms_nothing(waiting, alice, holder, sandbox):
    block(alice)
    page = holder.open(page_of(waiting)).text
    assert ("账号已被封" in page, 'id="confirm"' in page, facts_of(page)["state"]) == (True, False, "cancelling")
    assert holder.state(waiting, "post")["code"] == 1401
    query_later()
    assert "账号已被封，这笔收款已取消" in holder.open(page_of(waiting)).text


def test_who_asks_too_often_waits_and_others_do_not(waiting, holder, alice, settings, sandbox):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "payout": "2/60"}
    bob = UserFactory(union_id="union-bob")
    holder.open(page_of(waiting))
    assert [holder.state(waiting, "post")["code"] for _ in range(3)] == [1200, 1200, 1429]
    other = WeChatBrowser("bob")
    other.open(page_of(waiting))
    assert other.state(waiting)["code"] == 1404
    assert bob.pk != alice.pk


def test_outside_wechat_it_says_where_to_open_it(waiting, holder, settings):
    settings.EMBEDDED = False
    answer = WeChatBrowser("alice", agent=CHROME).get(page_of(waiting))
    assert (answer.status_code, "请在微信里打开" in answer.text) == (200, True)
    assert f'value="{settings.PUBLIC_BASE_URL}{page_of(waiting)}"' in answer.text
    assert "20.00" not in answer.text


def test_outside_wechat_who_is_signed_in_sees_the_amount_and_cannot_confirm(waiting, holder, settings):
    holder.open(page_of(waiting))
    settings.EMBEDDED = False
    page = holder.http.get(page_of(waiting), headers={"User-Agent": CHROME}).text
    assert ("20.00" in page, "这里不是微信" in page, "复制链接" in page) == (True, True, True)
    assert ('id="confirm"' in page, "jweixin" in page) == (False, False)


def test_the_sandbox_takes_the_place_of_wechat_in_any_browser(waiting, holder, settings):
    page = WeChatBrowser("alice", agent=CHROME).open(page_of(waiting)).text
    assert ("这里不是微信" in page, "沙箱可以代替微信" in page, 'id="confirm"' in page) == (True, True, True)
    assert settings.WECHAT_JS_SDK_URL in page


def test_while_wechat_does_not_answer_the_page_says_so(waiting, holder, sandbox):
    holder.open(page_of(waiting))
    cache.redis().flushdb()  # the ticket is kept for two hours
    set_fault(sandbox, "error", system="wechat")
    page = holder.open(page_of(waiting)).text
    assert ("微信暂时没有响应" in page, 'id="confirm"' in page, "20.00" in page) == (True, False, True)


def test_in_a_pause_a_transfer_that_waits_is_confirmed_all_the_same(waiting, holder, sandbox):
    pauses.pause(by="root", reason="对账", at=timezone.now())
    holder.open(page_of(waiting))
    confirm_in_wechat(sandbox, waiting)
    holder.state(waiting, "post")
    query_payouts()
    assert states_of(waiting) == (3, "succeeded")


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_the_page_has_no_inline_script_or_style_and_is_kept_nowhere(waiting, holder, is_signed_in: bool):
    answer = holder.open(page_of(waiting)) if is_signed_in else holder.get("/payouts/x/confirm")
    assert answer["Cache-Control"] == "no-store"
    assert [tag for tag in re.findall(r"<script[^>]*>", answer.text) if "src=" not in tag] == []
    assert re.search(r"<style|\sstyle=|\son\w+=", answer.text) is None


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_page_is_only_read(method: str, client: Any):
    answer = getattr(client, method)(f"/payouts/{uuid4()}/confirm")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_it_says_until_when_it_can_be_confirmed(waiting, holder):
    called = timezone.localtime(Payout.objects.get().called_at)
    assert f"{called + timedelta(hours=24):%Y-%m-%d %H:%M}" in holder.open(page_of(waiting)).text
