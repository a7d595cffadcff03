"""A change of a star plan in the browser: shown before it takes effect, and confirmed by a second operator."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from groups.models import StarPlan
from tests.browser.conftest import PICTURES
from tests.factories.money import rated_group
from tests.support.browser import sign_in_as

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.xdist_group("browser"),
]


@pytest.mark.parametrize("width", [1440, 390])
def test_finance_changes_a_plan_and_another_confirms_it(page: Page, width: int):
    page.set_viewport_size({"width": width, "height": 900})
    rated_group(5)
    tomorrow = timezone.localdate() + timedelta(days=1)
    sign_in_as(page, "finance").goto("/admin/groups/starplan/add/")
    page.select_option("#id_star", "5")
    page.fill("#id_daily_profit", "200")
    page.fill("#id_valid_from", str(tomorrow))
    page.screenshot(path=PICTURES / f"plan-form-{width}.png", full_page=True)
    page.click("input[name=_save]")
    expect(page.locator(".confirm-total")).to_contain_text("+199.00")
    page.wait_for_load_state()  # the style sheet for narrow windows is the last to come
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=PICTURES / f"plan-confirmation-{width}.png", full_page=True)
    page.click("input[value=确认变更]")
    expect(page.locator(".messagelist")).to_contain_text("待另一名运营人员")
    page.context.clear_cookies()
    sign_in_as(page, "administrator")
    page.screenshot(path=PICTURES / f"home-{width}.png", full_page=True)
    page.click("a:has-text('待第二人确认的收益变更')")
    page.screenshot(path=PICTURES / f"changes-{width}.png", full_page=True)
    page.click("#result_list th a")
    page.screenshot(path=PICTURES / f"change-{width}.png", full_page=True)
    page.click("button:has-text('确认变更')")
    page.screenshot(path=PICTURES / f"change-confirmation-{width}.png", full_page=True)
    page.click("input[type=submit]:not([name])")
    expect(page.locator(".messagelist")).to_contain_text("已确认 1 条")
    assert StarPlan.objects.get(valid_from=tomorrow).daily_profit == 200
