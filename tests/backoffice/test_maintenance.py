"""Maintenance: confirmed before it closes the client, on the dashboard while it lasts, and ended with one button."""

from typing import Any

import pytest
from django.core.cache import cache

from config.models import SiteStatus
from config.platform.cache import forget_kept
from tests.support.admin_pages import Operator

pytestmark = pytest.mark.django_db
ADD = "/admin/config/sitestatus/add/"
FORM = {"status": "2", "upgrade_end": "今晚 23:00"}
CARD = "<strong>1</strong><span>维护中</span>"


def client_status(client: Any) -> int:
    """Return the status that clients see at most ten seconds later."""
    cache.clear()
    forget_kept()
    return int(client.get("/app/status").json()["data"]["status"])


def test_maintenance_begins_only_when_it_was_confirmed(root: Operator, client: Any):
    assert "请勾选确认" in root.http.post(ADD, FORM).text
    assert client_status(client) == 1
    root.http.post(ADD, {**FORM, "closes_client": "on"})
    assert client_status(client) == 2


def test_service_needs_no_confirmation(root: Operator, client: Any):
    root.http.post(ADD, {**FORM, "closes_client": "on"})
    root.http.post(ADD, {"status": "1", "upgrade_end": ""})
    assert client_status(client) == 1


def test_the_dashboard_shows_it_and_one_button_ends_it(root: Operator, client: Any):
    assert CARD not in root.page("")
    root.http.post(ADD, {**FORM, "closes_client": "on"})
    page = root.page("")
    assert CARD in page
    assert f"{root.user.username} 设置，用户看到的结束时间：今晚 23:00" in page
    assert '<a class="button" href="/admin/config/sitestatus/do/end_maintenance/">恢复服务</a>' in page
    assert "立即恢复" in root.page("config/sitestatus/do/end_maintenance/")
    assert "已恢复服务" in root.clicks("config/sitestatus", "end_maintenance", confirmed="yes")
    assert (client_status(client), SiteStatus.objects.first().set_by) == (1, root.user.username)
    assert CARD not in root.page("")
    assert "没有在维护" in root.clicks("config/sitestatus", "end_maintenance", confirmed="yes")


def test_who_may_not_end_it_sees_no_button(root: Operator):
    root.http.post(ADD, {**FORM, "closes_client": "on"})
    page = Operator("viewer").page("")
    assert CARD in page
    assert "end_maintenance" not in page


def test_a_new_marquee_is_shown(root: Operator, client: Any):
    form = root.opens("config/marquee/add/")
    root.saves("config/marquee/add/", form, content="中秋快乐")
    assert client.get("/app/marquee").json()["data"]["content"] == "中秋快乐"
