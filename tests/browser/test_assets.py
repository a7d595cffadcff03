"""Our static files are below /assets/, where the mobile client on the same origin has none."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
]


@pytest.mark.parametrize(("path", "shown"), [("/admin/", "#id_username"), ("/docs", ".swagger-ui .opblock")])
def test_pages_load_all_their_files_from_there(page: Page, path: str, shown: str):
    loaded: dict[str, int] = {}
    page.on("response", lambda response: loaded.update({urlsplit(response.url).path: response.status}))
    page.goto(path)
    expect(page.locator(shown).first).to_be_visible()
    files = {name: status for name, status in loaded.items() if name.endswith((".css", ".js"))}
    assert files
    assert {
        name: status for name, status in files.items() if not name.startswith("/assets/") or status != 200
    } == {}


def test_the_sign_in_page_is_styled(page: Page):
    page.goto("/admin/")
    assert page.eval_on_selector("#header", "one => getComputedStyle(one).backgroundColor") != "rgba(0, 0, 0, 0)"
