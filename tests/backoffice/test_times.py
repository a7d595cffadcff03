"""Every page of the admin shows Shanghai time."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.utils import timezone

from config.models import AuditEntry
from config.platform import audit
from groups.models import Mention
from launches.models import MassMessage
from tests.support.admin_pages import PAGES, Operator
from tests.support.admin_rows import make_rows
from tests.support.project import MODELS

pytestmark = pytest.mark.django_db
SPELLINGS = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y年%m月%d日 %H:%M", "%m-%d %H:%M")
UTC_OFFSET = re.compile(r"\d\+00:?00\b")


def spelled(moment: datetime) -> set[str]:
    padded = {moment.strftime(spelling) for spelling in SPELLINGS}
    return padded | {re.sub(r"(年|月)0", r"\1", one) for one in padded}


def moments_of(row: Any) -> list[datetime]:
    values = [getattr(row, field.attname) for field in row._meta.concrete_fields]
    return [value for value in values if isinstance(value, datetime)]


def utc_spellings() -> set[str]:
    """Return all UTC spellings of moments in the database that are not Shanghai spellings of another moment."""
    moments = [moment for model in MODELS for row in model._base_manager.all() for moment in moments_of(row)]
    local = {one for moment in moments for one in spelled(timezone.localtime(moment))}
    return {one for moment in moments for one in spelled(moment.astimezone(UTC))} - local


def utc_on(page: str, spellings: set[str]) -> set[str]:
    return {one for one in spellings if one in page} | set(UTC_OFFSET.findall(page))


def pages_of(root: Operator, where: str) -> dict[str, str]:
    """Return the list, the page of its first row, and the confirmation pages of its actions."""
    request = root.http.get("/admin/password_change/").wsgi_request
    row, actions = PAGES[where].get_queryset(request).first(), PAGES[where].get_actions(request)
    assert row is not None, "tests/support/admin_rows.py makes no such row"
    found = {"list": root.page(f"{where}/"), "row": root.page(f"{where}/{quote(row.pk)}/change/")}
    asking = set(actions) - {"export", "export_xlsx"}
    return found | {action: root.act(where, action, row, confirmed=False) for action in asking}


def test_no_page_shows_a_time_in_utc():
    make_rows(2)
    with audit.acting(by="root", via="test"):
        MassMessage.objects.update(queued_at=timezone.now())
    root, spellings = Operator(), utc_spellings()
    assert spellings
    pages = {(where, name): page for where in PAGES for name, page in pages_of(root, where).items()}
    assert {key: found for key, page in pages.items() if (found := utc_on(page, spellings))} == {}
    assert utc_on(root.page(""), spellings) == set()


def test_no_row_calls_itself_by_a_time_in_utc():
    make_rows(1)
    spellings = utc_spellings()
    rows = [row for model in MODELS for row in model._base_manager.all()]
    assert {type(row).__name__: found for row in rows if (found := utc_on(str(row), spellings))} == {}


def test_a_message_around_midnight_is_of_the_shanghai_day():
    make_rows(1)
    mention = Mention.objects.get()
    mention.message.sent_at = datetime(2026, 11, 25, 16, 30, 5, tzinfo=UTC)
    assert str(mention.message).endswith("2026-11-26 00:30:05")


def test_the_log_shows_moments_inside_json_as_well():
    changes = {"a": [None, "2026-11-26T15:16:47.646588+00:00"], "b": [{"at": "2026-11-26T16:00:00Z"}, "x"]}
    entry = AuditEntry.objects.create(
        noted_at=timezone.now(), actor="root", action="U", table_name="none", changes=changes
    )
    page = Operator().page(f"config/auditentry/{entry.pk}/change/")
    assert "→ 2026-11-26 23:16:47" in page
    assert "2026-11-27 00:00:00" in page
