"""Gateway events in the admin: their meaning, their texts, and labels for their fields."""

from typing import Any

import pytest
from django.utils import timezone

from integrations.models import GatewayEvent
from tests.support.admin_pages import Operator
from tests.support.admin_tables import listed_rows

pytestmark = pytest.mark.django_db
LIST = "integrations/gatewayevent/"


def received(command: str, body: Any, **fields: Any) -> GatewayEvent:
    now = timezone.now()
    return GatewayEvent.objects.create(
        event_id=f"event-{command}", command=command, body=body, received_at=now, next_attempt_at=now, **fields
    )


def test_an_event_is_shown_by_its_meaning_and_texts(root):
    received("join_group", {"group_id": "g-1", "user_id": "u-1", "nickname": "李雷"})
    [row] = listed_rows(root.page(LIST))
    assert (row["meaning"], row["summary"]) == ("有人进群", "李雷")


def test_the_fields_of_an_event_have_labels(root):
    event = received(
        "join_group", {"group_id": "g-1", "user_id": "u-1", "nickname": "<b>", "join_time": "2026-11-26 09:30:00"}
    )
    page = root.page(f"{LIST}{event.pk}/change/")
    for label, value in (("群编号", "g-1"), ("微信昵称", "&lt;b&gt;"), ("进群时间", "2026-11-26 09:30:00")):
        assert f'<th>{label}</th><td><span class="text">{value}</span></td>' in page


def test_the_items_of_a_list_have_labels(root):
    event = received("group_members", [{"group_id": "g-1", "user_id": "u-1", "is_admin": True}])
    assert '<th>是否群管理员</th><td><span class="text">是</span></td>' in root.page(f"{LIST}{event.pk}/change/")


def test_an_unknown_command_is_called_so(root):
    received("flower", {"x": 1})
    assert listed_rows(root.page(LIST))[0]["meaning"] == "未知命令 flower"


def test_the_original_is_for_those_who_may_handle_events_again(root):
    event = received("flower", {"x": 1})
    page = f"{LIST}{event.pk}/change/"
    assert "收到的原文" in root.page(page)
    assert "收到的原文" not in Operator("viewer").page(page)


def test_a_traceback_is_closed(root):
    event = received("flower", {}, note="Traceback (most recent call last): …")
    assert '<details class="raw"><summary>原始数据</summary><pre>Traceback' in root.page(
        f"{LIST}{event.pk}/change/"
    )


def test_a_confirmation_names_the_events(root):
    event = received(
        "join_group", {"group_id": "g-1"}, status=GatewayEvent.Status.FAILED, finished_at=timezone.now()
    )
    assert "<li>有人进群 · " in root.act(LIST, "replay", event, confirmed=False)
