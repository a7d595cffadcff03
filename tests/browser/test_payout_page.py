"""The confirmation of a payout on a phone, from the robot's link to the payment, with taps only."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from earnings import ledger_check, withdrawals
from earnings.models import Payout, Withdrawal
from earnings.tasks import query_payouts, send_payouts
from robots.outbox import sender
from tests.browser.conftest import PICTURES, note_what_the_policy_refuses
from tests.factories.money import available_and_withdrawing, credit, requested_withdrawal
from tests.factories.people import FriendshipFactory, RobotFactory, UserFactory
from tests.support.outside_system import set_fault
from tests.support.wechat_browser import CHROME, WECHAT

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
]


def window_of(chromium: Any, servers: tuple[str, ...], **fields: Any) -> Page:
    """Return a window with access to our own server and the sandbox only."""
    given = {"viewport": {"width": 390, "height": 844}, "user_agent": WECHAT, "locale": "zh-CN"} | fields
    context = chromium.new_context(**given)
    context.route(lambda url: not url.startswith(servers), lambda route: route.abort())
    window = context.new_page()
    window.set_default_timeout(20_000)
    return window


@pytest.fixture
def servers(live_server: Any, sandbox: Any, settings: Any) -> tuple[str, ...]:
    settings.PUBLIC_BASE_URL = live_server.url
    return (live_server.url, sandbox.url)


@pytest.fixture
def phone(chromium: Any, servers: tuple[str, ...], request: pytest.FixtureRequest) -> Iterator[Page]:
    """Return WeChat's browser on a phone. Its last view is saved as a picture."""
    window = window_of(chromium, servers)
    refused = note_what_the_policy_refuses(window)
    yield window
    assert refused == []
    window.screenshot(path=PICTURES / f"{request.node.name}.png", full_page=True)
    window.context.close()


@pytest.fixture
def waiting(servers: tuple[str, ...], sandbox: Any) -> Withdrawal:
    """Return a withdrawal that is approved, sent and waits for alice, with the robot's message to her."""
    alice = UserFactory(phone="13800138000", code="wx-alice", union_id="union-alice", open_id="open-alice")
    FriendshipFactory(user=alice, robot=RobotFactory(code="sandbox-robot-1"))
    credit(alice, "100")
    withdrawal = requested_withdrawal(alice)
    sandbox.state.note("next_bill", next_state="WAIT_USER_CONFIRM")
    withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
    send_payouts()
    sender.drain()
    return withdrawal


def link_from_robot(sandbox: Any) -> str:
    """Return the link in the robot's private message to alice."""
    [message] = [one for one in sandbox.state.messages.values() if one["user_id"] == "wx-alice"]
    return str(re.search(r"http\S+", message["content"])[0])


def enter(window: Page, sandbox: Any) -> Page:
    """Open the robot's link and sign in at the sandbox's WeChat."""
    window.goto(link_from_robot(sandbox))
    window.click("button[value=alice]")
    expect(window.locator(".amount")).to_have_text("¥20.00")
    return window


def take(window: Page, choice: str = "收款") -> None:
    """Confirm on our page, then choose on WeChat's page."""
    window.click("#confirm")
    window.locator("#sandbox-transfer").get_by_role("button", name=choice, exact=True).click()


def take_with_a_worker(window: Page) -> None:
    """Confirm, and run the task that the page starts as a worker."""
    with window.expect_response(lambda answer: answer.request.method == "POST" and "/state" in answer.url):
        take(window)
    expect(window.locator("[data-note=asking]")).to_be_visible()
    query_payouts()
    expect(window.locator("h1")).to_have_text("已到账")


def test_a_user_confirms_from_the_robots_link_to_the_money(phone: Page, waiting: Withdrawal, sandbox: Any):
    enter(phone, sandbox)
    expect(phone.locator("#confirm")).to_be_enabled()
    phone.screenshot(path=PICTURES / "payout_to_confirm.png", full_page=True)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    take_with_a_worker(phone)
    waiting.refresh_from_db()
    assert (waiting.status, Payout.objects.get().state) == (Withdrawal.Status.PAID, Payout.State.SUCCEEDED)
    assert (available_and_withdrawing(waiting.user), ledger_check.find_errors()) == (("80.00", "0.00"), [])
    [bill] = sandbox.state.bills.values()
    assert (bill["state"], bill["openid"], bill["requests"]) == ("SUCCESS", "open-alice", 1)


def test_money_on_its_way_is_shown_when_it_arrives(phone: Page, waiting: Withdrawal, sandbox: Any):
    """WeChat Pay pays some time after the user's confirmation."""
    enter(phone, sandbox)
    sandbox.state.note("bill", out_bill_no=waiting.pk.hex, state="TRANSFERING")
    Payout.objects.update(next_attempt_at=timezone.now())
    query_payouts()
    with phone.expect_response(lambda answer: answer.request.method == "POST" and "/state" in answer.url):
        phone.reload()
        expect(phone.locator("h1")).to_have_text("正在到账")
        sandbox.state.note("bill", out_bill_no=waiting.pk.hex, state="SUCCESS")
    query_payouts()
    expect(phone.locator("h1")).to_have_text("已到账", timeout=15_000)


def test_a_user_who_cancels_can_try_again(phone: Page, waiting: Withdrawal, sandbox: Any):
    take(enter(phone, sandbox), "以后再说")
    expect(phone.locator("[data-note=cancelled]")).to_be_visible()
    assert Payout.objects.get().state == Payout.State.WAITING_USER
    take_with_a_worker(phone)


def test_a_transfer_that_ended_meanwhile_shows_its_end(phone: Page, waiting: Withdrawal, sandbox: Any):
    enter(phone, sandbox)
    expect(phone.locator("#confirm")).to_be_enabled()
    sandbox.state.note("bill", out_bill_no=waiting.pk.hex, state="FAIL", fail_reason="ACCOUNT_FROZEN")
    Payout.objects.update(next_attempt_at=timezone.now())
    query_payouts()
    phone.click("#confirm")
    expect(phone.locator("h1")).to_have_text("打款没有成功")
    expect(phone.locator(".reason")).to_contain_text("微信支付账户被冻结")


def test_a_failed_opening_in_wechat_shows_what_to_do(phone: Page, waiting: Withdrawal, sandbox: Any):
    enter(phone, sandbox)
    expect(phone.locator("#confirm")).to_be_enabled()
    set_fault(sandbox, "pay")
    phone.click("#confirm")
    expect(phone.locator("[data-note=failed]")).to_be_visible()
    expect(phone.locator("#confirm")).to_be_enabled()


def test_a_page_that_wechat_does_not_recognize_shows_a_message(
    phone: Page, waiting: Withdrawal, sandbox: Any, settings: Any
):
    """The signed address differs from the address of the page."""
    enter(phone, sandbox)
    settings.PUBLIC_BASE_URL = "https://other.example.com"
    phone.reload()
    expect(phone.locator("[data-note=config]")).to_be_visible()
    expect(phone.locator("#confirm")).to_be_disabled()


def test_without_wechats_component_the_page_shows_a_message(phone: Page, waiting: Withdrawal, sandbox: Any):
    phone.route("**/jweixin*.js", lambda route: route.abort())
    enter(phone, sandbox)
    expect(phone.locator("[data-note=sdk]")).to_be_visible()
    expect(phone.locator("#confirm")).to_be_disabled()


def test_outside_wechat_a_link_is_there_to_copy(
    chromium: Any, servers: tuple[str, ...], waiting: Withdrawal, settings: Any, sandbox: Any
):
    settings.EMBEDDED = False
    window = window_of(chromium, servers, user_agent=CHROME, permissions=["clipboard-read", "clipboard-write"])
    window.goto(link_from_robot(sandbox))
    expect(window.locator("h1")).to_have_text("请在微信里打开")
    window.click("#copy")
    expect(window.locator("[data-note=copied]")).to_be_visible()
    assert window.evaluate("navigator.clipboard.readText()") == window.url
    window.screenshot(path=PICTURES / "payout_outside_wechat.png", full_page=True)
    window.context.close()


def test_in_any_browser_the_sandbox_confirms_in_wechats_place(
    chromium: Any, servers: tuple[str, ...], waiting: Withdrawal, sandbox: Any
):
    size = {"width": 1440, "height": 900}
    window = enter(window_of(chromium, servers, user_agent=CHROME, viewport=size, color_scheme="dark"), sandbox)
    expect(window.locator(".outside").first).to_contain_text("这里不是微信")
    expect(window.locator("#confirm")).to_be_enabled()
    window.screenshot(path=PICTURES / "payout_wide_dark.png", full_page=True)
    take_with_a_worker(window)
    window.context.close()
