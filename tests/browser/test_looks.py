"""The main pages: accessible by axe-core, no wider than the window, and kept as pictures at two widths in two themes."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from accounts.models import User
from earnings.models import Withdrawal
from feedback.models import Problem
from groups.models import Group
from tests.browser.conftest import PICTURES
from tests.factories.money import withdrawal_of_new_user
from tests.support.admin_rows import make_rows
from tests.support.browser import sign_in_as

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
]
LISTS = {
    "withdrawals": "earnings/withdrawal/",
    "users": "accounts/user/",
    "groups": "groups/group/",
    "robots": "robots/robot/",
    "outbox": "robots/outboxmessage/",
    "launches": "launches/launch/",
    "ledger": "earnings/ledgerentry/",
    "feedback": "feedback/problem/",
    "audit": "config/auditentry/",
}


def main_pages() -> dict[str, str]:
    """Return the addresses of the fifteen main pages, with something on each."""
    make_rows(3)
    withdrawal = withdrawal_of_new_user("50")
    rows: dict[str, Any] = {
        "user": User.objects.get(pk=withdrawal.user_id),
        "group": Group.objects.first(),
        "problem": Problem.objects.first(),
    }
    return {
        "home": "",
        **LISTS,
        "withdrawal": f"earnings/withdrawal/{withdrawal.pk}/change/",
        "confirmation": f"earnings/withdrawal/?confirm=approve&_selected_action={withdrawal.pk}",
        **{name: f"{row._meta.label_lower.replace('.', '/')}/{row.pk}/change/" for name, row in rows.items()},
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_main_pages_fit_the_window(page: Page, width: int, theme: str):
    addresses = main_pages()
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of the two
    page.set_viewport_size({"width": width, "height": 900})
    sign_in_as(page, "administrator")
    too_wide = {}
    for name, address in addresses.items():
        page.goto(f"/admin/{address}", wait_until="load")
        page.screenshot(path=PICTURES / f"{name}-{width}-{theme}.png")
        found = page.evaluate("document.documentElement.scrollWidth")
        too_wide |= {name: found} if found > width else {}
    assert too_wide == {}
    assert len(addresses) == 15
    assert Withdrawal.objects.filter(status=Withdrawal.Status.TO_REVIEW).exists()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_main_pages_have_no_serious_finding_of_axe(chromium: Any, live_server: Any, theme: str):
    addresses = main_pages()
    # axe-core tries inline styles, which the policy of our pages refuses.
    page = chromium.new_context(base_url=live_server.url, color_scheme=theme, bypass_csp=True).new_page()
    sign_in_as(page, "administrator")
    serious = {}
    for name, address in addresses.items():
        page.goto(f"/admin/{address}", wait_until="load")
        violations = Axe().run(page).response["violations"]
        found = [
            f"{one['id']}: {node['html'][:120]}"
            for one in violations
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"][:2]
        ]
        serious |= {name: found} if found else {}
    page.context.close()
    assert serious == {}
