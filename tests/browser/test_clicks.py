"""The jobs that operators do most often, with the clicks that each takes from the home page or from its queue."""

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from earnings.models import EarningsRules, Withdrawal
from feedback.models import Problem, ProblemCategory
from groups.models import Group
from launches.models import Launch
from robots.models import OutboxMessage
from tests.factories.launches import launched
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import FriendshipFactory, GroupFactory, UserFactory
from tests.support.admin_rows import make_rows
from tests.support.browser import sign_in_as

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
]
QUEUE = "/admin/earnings/withdrawal/?status__exact=0"


class Clicks:
    """An operator at a page, whose clicks are counted."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, what: str | Locator) -> None:
        self.clicks += 1
        (self.page.locator(what).first if isinstance(what, str) else what).click()

    def confirm(self) -> None:
        self.click("#content .submit-row input[type=submit]")

    def find(self, text: str) -> None:
        """Search with the keyboard only."""
        self.page.wait_for_load_state()  # the script for the keys is the last to come
        self.page.keyboard.press("/")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")


def withdrawals(count: int) -> list[Withdrawal]:
    users = [UserFactory(phone=f"1380013{number:04}") for number in range(count)]
    for user in users:
        credit(user, "20")
    return [requested_withdrawal(user) for user in users]


def statuses() -> set[int]:
    return set(Withdrawal.objects.values_list("status", flat=True))


def test_one_withdrawal_is_approved_with_two_clicks_and_the_queue_stays(page: Page):
    withdrawals(1)
    sign_in_as(page, "finance").goto(QUEUE)
    operator = Clicks(page)
    operator.click("#result_list button:has-text('通过并打款')")
    operator.confirm()
    expect(page.locator(".messagelist")).to_contain_text("已通过 1 条")
    assert (operator.clicks, statuses()) == (2, {Withdrawal.Status.PAYING})
    assert page.url.endswith(QUEUE)


def test_one_withdrawal_is_rejected_with_two_clicks_and_a_reason(page: Page):
    withdrawals(1)
    sign_in_as(page, "finance").goto(QUEUE)
    operator = Clicks(page)
    operator.click("#result_list button:has-text('拒绝')")
    page.fill("#id_reason", "资料不符")
    operator.confirm()
    expect(page.locator(".messagelist")).to_contain_text("已拒绝 1 条")
    assert (operator.clicks, statuses()) == (2, {Withdrawal.Status.REJECTED})


def test_a_page_of_withdrawals_is_approved_with_three_clicks(page: Page):
    withdrawals(12)
    sign_in_as(page, "finance").goto(QUEUE)
    operator = Clicks(page)
    operator.click("#action-toggle")
    operator.click(".actions button:has-text('通过并打款')")
    operator.confirm()
    expect(page.locator(".messagelist")).to_contain_text("已通过 12 条")
    assert (operator.clicks, statuses()) == (3, {Withdrawal.Status.PAYING})


def test_the_ledger_of_a_person_is_one_search_and_one_click_away(page: Page):
    user = UserFactory(phone="13912345678", nickname="李雷")
    credit(user, "12.34")
    sign_in_as(page, "finance")
    operator = Clicks(page)
    operator.find("139 1234 5678")
    operator.click(".object-links a:has-text('账务')")
    expect(page.locator("#result_list")).to_contain_text("12.34")
    assert operator.clicks <= 2


def test_a_person_is_blocked_with_two_clicks_and_a_reason(page: Page):
    user = UserFactory(phone="13912345678")
    sign_in_as(page, "support")
    operator = Clicks(page)
    operator.find("13912345678")
    operator.click(".object-links button:has-text('封号')")
    page.fill("#id_reason", "刷单")
    operator.confirm()
    expect(page.locator(".messagelist")).to_contain_text("已封禁 1 条")
    user.refresh_from_db()
    assert (operator.clicks, user.blocked_reason) == (2, "刷单")
    assert page.url.endswith(f"/admin/accounts/user/{user.pk}/change/")


def test_feedback_is_answered_with_two_clicks_where_the_question_stands(page: Page):
    user = FriendshipFactory().user
    category = ProblemCategory.objects.first()
    Problem.objects.create(user=user, category=category, description="没有欢迎语", reported_at=timezone.now())
    sign_in_as(page, "support").goto("/admin/feedback/problem/?state=open")
    operator = Clicks(page)
    operator.click("#result_list tbody th a")
    expect(page.locator("#content")).to_contain_text("没有欢迎语")
    page.fill("#id_answer", "已经修好了")
    operator.click("#answer_form input[type=submit]")
    expect(page.locator(".messagelist")).to_be_visible()
    assert operator.clicks == 2
    assert "已经修好了" in OutboxMessage.objects.get(user_code=user.code).content["content"]


def test_all_failed_messages_are_sent_again_with_three_clicks(page: Page):
    make_rows(3)
    OutboxMessage.objects.update(status=OutboxMessage.Status.FAILED, finished_at=timezone.now(), last_error="x")
    sign_in_as(page, "support").goto("/admin/robots/outboxmessage/?status__exact=2")
    operator = Clicks(page)
    operator.click("#action-toggle")
    operator.click(".actions button:has-text('重试')")
    operator.confirm()
    expect(page.locator(".messagelist")).to_contain_text("将重新发送")
    assert operator.clicks == 3
    assert not OutboxMessage.objects.filter(status=OutboxMessage.Status.FAILED).exists()


def test_a_group_is_cancelled_by_its_name_with_two_clicks(page: Page):
    group = GroupFactory(name="宝妈交流 8 群")
    sign_in_as(page, "support")
    operator = Clicks(page)
    operator.find("宝妈交流")
    operator.click(".object-links button:has-text('注销群')")
    operator.confirm()
    expect(page.locator(".messagelist")).to_contain_text("已注销 1 条")
    assert operator.clicks == 2
    assert not Group.objects.active().filter(pk=group.pk).exists()


def test_the_newest_launch_is_paused_with_two_clicks_from_its_list(page: Page):
    launch = launched(GroupFactory())
    sign_in_as(page, "administrator").goto("/admin/launches/launch/")
    operator = Clicks(page)
    operator.click("#result_list button:has-text('暂停')")
    operator.confirm()
    expect(page.locator(".messagelist")).to_be_visible()
    launch.refresh_from_db()
    assert (operator.clicks, launch.status) == (2, Launch.Status.PAUSED)


def test_the_withdrawals_of_today_are_exported_with_three_clicks(page: Page):
    withdrawals(2)
    sign_in_as(page, "finance").goto("/admin/earnings/withdrawal/")
    operator = Clicks(page)
    operator.click("#changelist-filter a:has-text('今天')")
    operator.click("#action-toggle")
    with page.expect_download() as answer:
        operator.click(".actions button:has-text('Excel')")
    assert (operator.clicks, answer.value.suggested_filename[-5:]) == (3, ".xlsx")


def test_the_second_of_two_operators_on_one_form_changes_nothing(page: Page, chromium, live_server):
    page.goto("/admin/")
    rules = EarningsRules.objects.get()
    sign_in_as(page, "finance").goto(f"/admin/earnings/earningsrules/{rules.pk}/change/")
    other = chromium.new_context(base_url=live_server.url).new_page()
    sign_in_as(other, "administrator").goto(f"/admin/earnings/earningsrules/{rules.pk}/change/")
    other.fill("#id_red_packet_max", "0.90")
    other.click("input[name=_save]")
    other.locator("#content .submit-row input[type=submit]").click()
    expect(other.locator(".messagelist")).to_be_visible()
    page.fill("#id_adoption_fee", "0.02")
    page.click("input[name=_save]")
    expect(page.locator("#content")).to_contain_text("已被 administrator")
    other.context.close()


def test_the_keyboard_goes_through_a_list(page: Page):
    withdrawals(3)
    sign_in_as(page, "finance").goto(QUEUE)
    page.wait_for_load_state()
    for key in "jjk":
        page.keyboard.press(key)
    expect(page.locator("#result_list tbody tr").nth(0)).to_have_class("current-row")
    page.keyboard.press("x")
    expect(page.locator("input.action-select").nth(0)).to_be_checked()
    page.keyboard.press("o")
    expect(page.locator(".object-links")).to_be_visible()


def test_back_leads_from_a_confirmation_to_the_list(page: Page):
    withdrawals(1)
    sign_in_as(page, "finance").goto(QUEUE)
    page.click("#result_list button:has-text('通过并打款')")
    expect(page.locator(".confirm-total")).to_be_visible()
    page.go_back()
    expect(page.locator("#result_list")).to_be_visible()
    assert statuses() == {Withdrawal.Status.TO_REVIEW}
