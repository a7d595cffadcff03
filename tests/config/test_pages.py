"""The Content-Security-Policy of our pages, and the caching of responses."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client

from config.models import ShortLink
from tests.factories.people import UserFactory
from tests.support.admin_pages import PAGES, Operator
from tests.support.admin_rows import make_rows
from tests.support.wechat_browser import WECHAT

pytestmark = pytest.mark.django_db
NOBODY = "00000000-0000-4000-8000-000000000000"
SCRIPTS_OF_OURS = "script-src 'self';"


class _InlineParts(HTMLParser):
    """A parser that collects the inline scripts and styles of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        is_data = names.get("type") == "application/json"
        if (tag == "script" and "src" not in names and not is_data) or tag == "style":
            self.found.append(self.get_starttag_text() or tag)
        self.found += [f"{tag} {name}={value}" for name, value in attrs if name.startswith("on") or name == "style"]
        self.found += [f"{tag} {value}" for value in names.values() if re.match(r"\s*javascript:", value or "")]


def faults_of(answer: Any, scripts: str = SCRIPTS_OF_OURS) -> list[str]:
    policy = f"{answer.headers.get('Content-Security-Policy', '')};"
    missing = [part for part in (scripts, "default-src 'none';", "base-uri 'none';") if part not in policy]
    loose = re.findall(r"'unsafe-\w+'", policy)
    return missing + loose + _InlineParts(answer.text).found


def pages_of(where: str, row: Any) -> list[str]:
    pages = ["", "add/", *(f"{quote(row.pk)}/{page}/" for page in ("change", "history", "delete"))]
    return [f"/admin/{where}/{page}" for page in pages]


def test_no_page_of_the_admin_runs_inline_scripts_or_is_cached():
    make_rows(1)
    root = Operator()
    request = root.http.get("/admin/password_change/").wsgi_request
    rows = {where: PAGES[where].get_queryset(request).first() for where in PAGES}
    pages = ["/admin/", "/admin/password_change/", "/admin/two-factor/", "/admin/nothing/"]
    pages += [page for where, row in rows.items() for page in pages_of(where, row)]
    answers = {page: root.http.get(page) for page in pages}
    assert {page: found for page, answer in answers.items() if (found := faults_of(answer))} == {}
    shown = {page: answer for page, answer in answers.items() if answer.status_code == 200}
    assert len(shown) > 100
    assert [page for page, answer in shown.items() if "no-store" not in answer.headers["Cache-Control"]] == []


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/nothing/", "/docs", f"/payouts/{NOBODY}/x"])
def test_no_public_page_runs_inline_scripts(path: str):
    assert faults_of(Client().get(path)) == []


@pytest.mark.parametrize("path", [f"/payouts/{NOBODY}/confirm", "/payouts/nothing/confirm"])
def test_the_page_of_a_payout_may_run_wechats_scripts_too(path: str, settings: Any):
    settings.WECHAT_JS_SDK_URL = "https://res.wx.qq.com/open/js/jweixin-1.6.0.js"
    answer = Client(headers={"user-agent": WECHAT}).get(path)
    assert faults_of(answer, "script-src 'self' https://res.wx.qq.com;") == []


def test_the_script_of_the_documentation_is_a_file():
    page = Client().get("/docs").text
    [script] = re.findall(r'<script src="(/docs[^"]*)"', page)
    answer = Client().get(script.replace("&amp;", "&"))
    assert (answer.status_code, "SwaggerUIBundle(" in answer.text) == (200, True)
    assert answer.headers["Content-Type"].startswith("application/javascript")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/profit"),
        ("POST", "/auth"),
        ("GET", "/wechat/user_info?app_id=sandbox&code=alice"),
        ("POST", "/admin/withdraw"),
        ("GET", "/groups/nothing/msg/nothing/context"),
    ],
)
def test_no_answer_of_an_operation_is_kept(method: str, path: str):
    answer = Client().generic(method, path, data="{}", content_type="application/json")
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_short_link_is_asked_for_each_time():
    ShortLink.objects.create(slug="abcdefgh", url="https://example.com/")
    answer = Client().get("/s/abcdefgh")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (302, "no-store")


def test_a_poster_may_be_kept_for_a_day():
    answer = Client().get(f"/user/{UserFactory().pk}/poster")
    assert "no-store" not in answer.headers["Cache-Control"]
