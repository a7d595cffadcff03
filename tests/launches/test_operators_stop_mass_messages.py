"""Operators stop a scheduled mass message and recall a sent one, with a reason."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import erasure
from accounts.models import User
from config.models import AuditEntry
from launches.models import MassMessage
from launches.tasks import fire_mass_messages
from robots.models import OutboxMessage
from tests.factories.launches import reachable, scheduled
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.entry_points import send_due_messages
from tests.support.mass_messages import sent_to_outbox, statuses_of

pytestmark = pytest.mark.django_db
WHERE = "launches/massmessage"


def page_of(message: MassMessage) -> str:
    return f"{WHERE}/{message.pk}/change/"


def listed(user: User) -> list[Any]:
    return [ApiClient(user).get("/tasks/messages", direction=direction)["data"] for direction in ("up", "down")]


def test_a_stopped_mass_message_is_not_sent_and_leaves_the_users_list(alice: User, support: Operator, sandbox: Any):
    message = scheduled(alice, reachable(user=alice), send_at=timezone.now() + timedelta(seconds=1))
    assert "已停止 1 条" in support.act(WHERE, "stop", message, reason="违法内容")
    MassMessage.objects.update(send_at=timezone.now())
    fire_mass_messages()
    assert (send_due_messages(), statuses_of(message), listed(alice)) == (0, [3], [[], []])
    message.refresh_from_db()
    assert (message.recalled_by, message.recall_reason, message.slot) == (
        support.user.username,
        "违法内容",
        None,
    )


def test_a_mass_message_sent_just_now_is_recalled_by_an_operator(alice: User, support: Operator, sandbox: Any):
    messages = [sent_to_outbox(alice, reachable(user=alice), reachable(user=alice)) for _ in range(2)]
    send_due_messages()
    assert "已撤回 2 条" in support.act(WHERE, "recall", *messages, reason="违法内容")
    send_due_messages()
    assert len(sandbox.state.recalled) == 4
    assert [statuses_of(message) for message in messages] == [[3, 3], [3, 3]]
    assert listed(alice) == [[], []]


def test_messages_that_wait_in_the_outbox_are_closed(alice: User, support: Operator, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    support.act(WHERE, "recall", message, reason="违法内容")
    assert (send_due_messages(), statuses_of(message)) == (0, [3])


def test_a_mass_message_stays_after_two_minutes(alice: User, support: Operator, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    send_due_messages()
    OutboxMessage.objects.of_source(message.source).update(finished_at=timezone.now() - timedelta(minutes=2))
    assert "发出超过两分钟" in support.act(WHERE, "recall", message, reason="违法内容")
    message.refresh_from_db()
    assert (message.status, message.recalled_by) == (MassMessage.Status.SENT, "")


@pytest.mark.parametrize("action", ["stop", "recall"])
def test_a_recalled_mass_message_is_not_recalled_again(alice: User, support: Operator, action: str):
    message = scheduled(alice, reachable(user=alice))
    ApiClient(alice).delete(f"/tasks/{message.pk}")
    assert "1 条没有变化" in support.act(WHERE, action, message, reason="违法内容")
    message.refresh_from_db()
    assert message.recalled_by == ""


def test_a_mass_message_in_the_outbox_is_not_stopped_as_a_scheduled_one(alice: User, support: Operator):
    message = sent_to_outbox(alice, reachable(user=alice))
    assert "可以撤回" in support.act(WHERE, "stop", message, reason="违法内容")
    assert statuses_of(message) == [0]


@pytest.mark.parametrize("action", ["stop", "recall"])
def test_the_confirmation_shows_person_time_groups_and_text(alice: User, support: Operator, action: str):
    User.objects.filter(pk=alice.pk).update(nickname="<b>爱丽丝", phone="13800138000")
    send_at = timezone.localtime() + timedelta(hours=1)
    message = scheduled(alice, reachable(user=alice), reachable(user=alice), send_at=send_at, text="<i>周末活动")
    page = support.act(WHERE, action, message, confirmed=False)
    assert f"&lt;b&gt;爱丽丝 138****8000 · {send_at:%Y-%m-%d %H:%M}" in page
    assert " · 2 个群 · &lt;i&gt;周末活动" in page
    assert 'name="reason"' in page


def test_a_reason_is_needed(alice: User, support: Operator):
    message = scheduled(alice, reachable(user=alice))
    support.act(WHERE, "stop", message, reason=" ")
    assert statuses_of(message) == [0]


def test_the_page_offers_what_is_possible(alice: User, support: Operator):
    waiting, queued = scheduled(alice, reachable(user=alice)), sent_to_outbox(alice, reachable(user=alice))
    buttons = [
        [name for name in ("stop", "recall") if f'value="{name}"' in support.page(page_of(message))]
        for message in (waiting, queued)
    ]
    assert buttons == [["stop"], ["recall"]]


@pytest.mark.parametrize("role", ["viewer", "finance"])
def test_other_roles_cannot_stop_mass_messages(alice: User, role: str):
    message = scheduled(alice, reachable(user=alice))
    Operator(role).act(WHERE, "stop", message, reason="违法内容")
    assert statuses_of(message) == [0]


def test_the_audit_log_names_operator_and_reason(alice: User, support: Operator):
    message = scheduled(alice, reachable(user=alice))
    support.act(WHERE, "stop", message, reason="违法内容")
    entry = AuditEntry.objects.get(table_name="launches_massmessage", row_id=str(message.pk))
    assert (entry.actor, entry.changes["recall_reason"]) == (support.user.username, ["", "违法内容"])


def test_erasing_the_person_deletes_the_reason(alice: User, support: Operator):
    message = scheduled(alice, reachable(user=alice))
    support.act(WHERE, "stop", message, reason="电话 13800138000")
    erasure.erase(user=alice, by="root", at=timezone.now())
    message.refresh_from_db()
    assert message.recall_reason == "（已删除）"
    assert "13800138000" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))
