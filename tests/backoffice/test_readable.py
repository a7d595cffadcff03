"""A person who reads the admin sees names, local times and labels: no keys, codes, JSON, UTC or English."""

import re
from html.parser import HTMLParser

import pytest
from django.contrib.admin.utils import quote
from django.utils import timezone

from accounts.models import User
from config.models import ApiKey, AuditEntry
from config.platform import audit
from earnings.models import Payout
from groups.models import Group
from integrations.models import GatewayEvent
from keywords.models import KeywordBatch
from robots.models import OutboxMessage
from tests.support.admin_pages import PAGES, Operator
from tests.support.admin_rows import make_rows
from tests.support.project import MODELS

pytestmark = pytest.mark.django_db
EXPORTS = {"export", "export_xlsx"}
UNREADABLE = {
    "UUID": re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE),
    "hex key": re.compile(r"\b[0-9a-f]{32}\b", re.IGNORECASE),
    "UTC": re.compile(r"T\d\d:\d\d:\d\d|\+00:00"),
    "JSON": re.compile(r"""\{["'}]|\[["'\]{]"""),
    "code": re.compile(r"\b[A-Z]{2,}(?:_[A-Z]+)+\b"),
    "English": re.compile(r"\b[A-Za-z]{2,}(?:[ _-][A-Za-z]{2,})+\b"),
}
# Text that support needs for a search at WeChat, at the gateway or in its documentation, and names of our own.
NEEDED = {
    "union_id": "WeChat's name",
    "open_id": "WeChat's name",
    "app_id": "WeChat's name",
    "WAIT_USER_CONFIRM": "behind its meaning, for the search at WeChat Pay",
    "ACCOUNT_FROZEN": "behind its meaning, for the search at WeChat Pay",
    "py operator": "the command of the server's operators",
}
NEEDED_KEYS = {
    "earnings/payout",
    "earnings/withdrawal",
}  # the number by which the merchant platform finds a transfer
VALUES = {"operator", "root"}  # names of people in these tests
_UNREAD = {"script", "style", "template", "title", "textarea"}


class _ReadText(HTMLParser):
    """A parser that collects the text that a person reads: no attributes, scripts and closed details."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped, self.parts = list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNREAD or (tag == "details" and ("class", "raw") in attrs):
            self.skipped.append(tag)
        self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self.skipped and self.skipped[-1] == tag:
            self.skipped.pop()
        self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.parts.append(data)


def text_of(page: str) -> str:
    parser = _ReadText()
    parser.feed(page)
    return "".join(parser.parts)


def findings(where: str, page: str) -> set[tuple[str, str]]:
    text = text_of(page)
    found = {(kind, match[0]) for kind, pattern in UNREADABLE.items() for match in pattern.finditer(text)}
    return {
        (kind, match)
        for kind, match in found
        if match not in NEEDED and not (kind == "hex key" and where in NEEDED_KEYS)
    }


def pages_of(root: Operator, where: str) -> dict[str, str]:
    """Return the list, the page of its first row, and the confirmation pages of its actions."""
    request = root.http.get("/admin/password_change/").wsgi_request
    row, actions = PAGES[where].get_queryset(request).first(), PAGES[where].get_actions(request)
    assert row is not None, "tests/support/admin_rows.py makes no such row"
    found = {"list": root.page(f"{where}/"), "row": root.page(f"{where}/{quote(row.pk)}/change/")}
    return found | {name: root.act(where, name, row, confirmed=False) for name in set(actions) - EXPORTS}


def make_full_rows() -> None:
    """Create a row in every table, with contents, failures and audit entries as a working day leaves them."""
    make_rows(1)
    now, group, user = timezone.now(), Group.objects.earliest("bound_at"), User.objects.filter(code="user").first()
    content = {"type": 6, "title": "周末", "url": "https://example.com/a", "desc": "活动"}
    failed = {"status": OutboxMessage.Status.FAILED, "finished_at": now, "last_error": "gateway: ReadTimeout"}
    OutboxMessage.objects.update(content=content, group_code=group.code, user_code="", **failed)
    body = {
        "group_id": group.code,
        "user_id": "u",
        "send_time": "2026-11-23 09:30:00",
        "at_users": ["u"],
        **content,
    }
    GatewayEvent.objects.update(command="group_message", body=body)
    KeywordBatch.objects.update(keywords=["加群", "福利"])
    ApiKey.objects.update(prefix="k3y0f7he")  # random characters may look like English
    Payout.objects.update(provider_state="WAIT_USER_CONFIRM", note="微信支付：ACCOUNT_FROZEN")
    with audit.acting(by="root", via="/admin/groups/group/ cancel"):
        Group.objects.filter(pk=group.pk).update(cancelled_at=now, cancel_reason=4, user=user or group.user)
        KeywordBatch.objects.update(keywords=["加群", "进群"])


def test_no_page_shows_keys_codes_json_utc_or_english():
    make_full_rows()
    root = Operator(username="root")
    pages = {(where, name): page for where in PAGES for name, page in pages_of(root, where).items()}
    assert {key: found for key, page in pages.items() if (found := findings(key[0], page))} == {}
    for entry in AuditEntry.objects.all():
        assert findings("", root.page(f"config/auditentry/{entry.pk}/change/")) == set()
    assert findings("", root.page("")) == set()


@pytest.mark.parametrize("where", ["accounts/operator/add/", "groups/starplan/add/", "config/apikey/add/"])
def test_a_form_for_a_new_row_is_in_chinese(where):
    assert findings("", Operator(username="root").page(where)) == set()


def test_no_row_calls_itself_by_a_key():
    make_full_rows()
    rows = [row for model in MODELS for row in model._base_manager.all()]
    unreadable = {kind: UNREADABLE[kind] for kind in ("UUID", "hex key", "UTC", "JSON")}
    assert {
        (type(row).__name__, str(row))
        for row in rows
        for pattern in unreadable.values()
        if pattern.search(str(row))
    } == set()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("8d12fa66-11aa-4f5a-ab1a-9499804756e3", "UUID"),
        ("2026-11-26T15:16:47.6+00:00", "UTC"),
        ('{"type": 3}', "JSON"),
        ('["a"]', "JSON"),
        ("NOT_KNOWN", "code"),
        ("Task name", "English"),
    ],
)
def test_what_nobody_should_read_is_found(text, kind):
    assert kind in {kind for kind, _match in findings("", f"<p>{text}</p>")}
    assert findings("", f'<details class="raw"><pre>{text}</pre></details><p title="{text}">好</p>') == set()
