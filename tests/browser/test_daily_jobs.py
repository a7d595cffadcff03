"""The daily work of each role in a browser, with clicks and keys only."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from config.models import SiteStatus
from earnings.models import Withdrawal
from feedback.models import Problem, ProblemCategory, StandardReply
from groups.models import Group
from launches.models import Launch
from robots.models import OutboxMessage
from tests.factories.launches import launched
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import FriendshipFactory, GroupFactory, UserFactory
from tests.support.browser import sign_in_as

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
]


def withdrawals(count: int) -> list[Withdrawal]:
    users = [UserFactory(phone=f"1380013{number:04}") for number in range(count)]
    for user in users:
        credit(user, "20")
    return [requested_withdrawal(user) for user in users]


def choose(page: Page, action: str) -> None:
    page.click(f".actions button:has-text('{action}')")


def confirm(page: Page) -> None:
    page.click("#content .submit-row input[type=submit]")


def test_finance_reviews_ten_withdrawals_at_once(page: Page):
    withdrawals(10)
    sign_in_as(page, "finance").click("text=待审核提现")
    page.check("#action-toggle")
    choose(page, "通过并打款")
    expect(page.locator(".confirm-total")).to_contain_text("共 200.00 元")
    confirm(page)
    expect(page.locator(".messagelist")).to_contain_text("已通过 10 条")
    assert Withdrawal.objects.filter(status=Withdrawal.Status.PAYING).count() == 10


def test_finance_rejects_one_from_its_page_with_a_reason(page: Page):
    [withdrawal] = withdrawals(1)
    sign_in_as(page, "finance").goto(f"/admin/earnings/withdrawal/{withdrawal.pk}/change/")
    page.click("text=拒绝并退回余额")
    page.fill("#id_reason", "资料不符")
    confirm(page)
    expect(page.locator(".messagelist")).to_contain_text("已拒绝 1 条")
    withdrawal.refresh_from_db()
    assert withdrawal.reason == "资料不符"


def test_finance_takes_a_filtered_list_away(page: Page):
    withdrawals(2)
    sign_in_as(page, "finance").goto("/admin/earnings/withdrawal/?q=0001")
    page.check("#action-toggle")
    with page.expect_download() as answer:
        choose(page, "导出所选为 Excel")
    assert answer.value.suggested_filename.endswith(".xlsx")


def test_support_finds_a_person_by_the_last_digits_and_blocks_them(page: Page):
    alice = UserFactory(phone="13800138000", nickname="alice")
    UserFactory(phone="13900139000", nickname="mallory")
    sign_in_as(page, "support").goto("/admin/accounts/user/")
    page.fill("#searchbar", "8000")
    page.press("#searchbar", "Enter")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.click("text=alice")
    page.click("button:has-text('封号')")
    page.fill("#id_reason", "刷单")
    confirm(page)
    alice.refresh_from_db()
    assert alice.blocked_reason == "刷单"


def test_support_answers_feedback(page: Page):
    user = FriendshipFactory().user
    category = ProblemCategory.objects.first()
    Problem.objects.create(user=user, category=category, description="没有欢迎语", reported_at=timezone.now())
    StandardReply.objects.create(title="修好了", text="已经修好了")
    sign_in_as(page, "support").click("text=待答复反馈")
    page.click("#result_list tbody th a")
    page.wait_for_load_state()  # the scripts of the page
    page.select_option("#id_standard_reply", label="修好了")
    expect(page.locator("[data-preview]")).to_have_text("已经修好了")
    page.click("text=发送答复")
    expect(page.locator(".messagelist")).to_contain_text("答复已交给机器人发送")
    assert "已经修好了" in OutboxMessage.objects.get(user_code=user.code).content["content"]


def test_support_cancels_groups(page: Page):
    for _ in range(3):
        GroupFactory()
    sign_in_as(page, "support").goto("/admin/groups/group/")
    page.check("#action-toggle")
    choose(page, "注销群")
    confirm(page)
    expect(page.locator(".messagelist")).to_contain_text("已注销 3 条")
    assert not Group.objects.active().exists()


def test_an_administrator_pauses_a_launch(page: Page):
    launch = launched(GroupFactory())
    sign_in_as(page, "administrator").goto(f"/admin/launches/launch/{launch.pk}/change/")
    page.click("button:has-text('暂停')")
    confirm(page)
    launch.refresh_from_db()
    assert launch.status == Launch.Status.PAUSED


def test_an_administrator_sets_maintenance_and_sees_it_before(page: Page):
    sign_in_as(page, "administrator").goto("/admin/config/sitestatus/add/")
    page.select_option("#id_status", "2")
    page.fill("#id_upgrade_end", "今晚 23:00")
    page.check("#id_closes_client")
    expect(page.locator(".preview")).to_have_text("维护 今晚 23:00")
    page.click("input[name=_save]")
    expect(page.locator(".messagelist")).to_be_visible()
    assert SiteStatus.objects.first().upgrade_end == "今晚 23:00"


def test_a_viewer_looks_at_everything_on_a_phone(page: Page):
    withdrawals(3)
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in_as(page, "viewer")
    expect(page.locator(".chart svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto("/admin/earnings/withdrawal/")
    expect(page.locator(".actions button", has_text="通过并打款")).to_have_count(0)


def test_english_is_one_click_away(page: Page):
    sign_in_as(page, "finance").click("#language-form button")
    expect(page.locator("#content")).to_contain_text("Withdrawals to review")
