"""Mass messages of a draft and a text that follows it: two messages in each group."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from groups import cancelling
from groups.models import CancelReason
from integrations.moderation.words import add_words
from launches import mass_message_drafts
from launches.models import MassMessage
from launches.tasks import fire_mass_messages
from robots.models import OutboxMessage
from robots.outbox import failed, leases, results
from tests.factories.launches import PICTURE, TEXT, drafted, reachable, scheduled
from tests.factories.people import GroupFactory
from tests.support.client import ApiClient
from tests.support.entry_points import send_due_messages
from tests.support.mass_messages import complete_draft, statuses_of
from tests.support.outbox import refuse_messages

pytestmark = pytest.mark.django_db
TEXT_AFTER_DRAFT = TEXT["content"]


def sent_to_outbox(user: User, *groups: Any) -> MassMessage:
    """Return a picture followed by a text, which were just written to the outbox."""
    message = scheduled(user, *groups, send_at=timezone.now(), text=TEXT_AFTER_DRAFT)
    fire_mass_messages()
    return message


def shown(user: User, message: MassMessage) -> list[dict[str, Any]]:
    return list(ApiClient(user).get(f"/tasks/{message.pk}/message")["data"]["content"])


def send_next() -> str:
    """Send the next message of the outbox. Returns its number."""
    [leased] = leases.claim_messages(at=timezone.now()).messages
    results.finish([results.AttemptResult(leased)], at=timezone.now())
    return leased.message_no


def state_of(message: MassMessage) -> tuple[list[int], int]:
    message.refresh_from_db()
    return statuses_of(message), message.status


def test_the_text_follows_the_draft_in_every_group(alice: User, sandbox: Any):
    groups = [reachable(user=alice), reachable(user=alice)]
    message = sent_to_outbox(alice, *groups)
    send_due_messages()
    for group in groups:
        sent = [
            message_sent
            for message_sent in sandbox.state.messages.values()
            if message_sent["group_id"] == group.code
        ]
        assert [(content["type"], content["content"], content["requests"]) for content in sent] == [
            (8, PICTURE["content"], 1),
            (3, TEXT_AFTER_DRAFT, 1),
        ]
    assert state_of(message) == ([1, 1], MassMessage.Status.SENT)


def test_the_detail_lists_the_draft_and_the_text(alice: User):
    group, draft = GroupFactory(user=alice), drafted(alice)
    assert complete_draft(alice, group.code, draft_id=draft.pk, message=TEXT)["code"] == 1200
    assert shown(alice, MassMessage.objects.get()) == [PICTURE, TEXT]


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_without_a_text_the_draft_is_sent_alone(alice: User, text: str):
    assert complete_draft(alice, GroupFactory(user=alice).code, message=TEXT | {"content": text})["code"] == 1200
    assert shown(alice, MassMessage.objects.get()) == [PICTURE]


def test_a_text_follows_a_draft_that_is_a_text_too(alice: User):
    draft = mass_message_drafts.create_draft(user=alice, content=TEXT | {"content": "第一句"}, at=timezone.now())
    complete_draft(alice, GroupFactory(user=alice).code, draft_id=draft.pk, message=TEXT)
    assert [content["content"] for content in shown(alice, MassMessage.objects.get())] == [
        "第一句",
        TEXT_AFTER_DRAFT,
    ]


def test_a_message_of_another_type_replaces_the_draft(alice: User):
    link = {"type": 6, "content": "", "title": "好文", "desc": "", "url": "https://example.com/a"}
    assert complete_draft(alice, GroupFactory(user=alice).code, message=link)["code"] == 1200
    assert shown(alice, MassMessage.objects.get()) == [link]


@pytest.mark.parametrize("place", ["content", "url"])
def test_a_picture_that_replaces_the_draft_has_its_address_in_both_places(alice: User, place: str):
    picture = PICTURE | {"content": "", "url": ""} | {place: "https://example.com/b.png"}
    assert complete_draft(alice, GroupFactory(user=alice).code, message=picture)["code"] == 1200
    [content] = shown(alice, MassMessage.objects.get())
    assert content["content"] == content["url"] == "https://example.com/b.png"


def test_a_sensitive_word_in_the_draft_is_refused_too(alice: User):
    add_words(["违规"])
    link = {"type": 6, "title": "违规好文", "url": "https://example.com/a"}
    draft = mass_message_drafts.create_draft(user=alice, content=link, at=timezone.now())
    assert complete_draft(alice, GroupFactory(user=alice).code, draft_id=draft.pk)["code"] == 2003
    assert ApiClient(alice).get(f"/tasks/{draft.pk}")["code"] == 1200


def test_the_address_of_a_picture_is_no_text_to_check(alice: User):
    add_words(["example"])
    assert complete_draft(alice, GroupFactory(user=alice).code)["code"] == 1200


def test_a_part_waits_until_both_messages_are_sent(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    send_next()
    assert state_of(message) == ([0], MassMessage.Status.WAITING)
    send_next()
    assert state_of(message) == ([1], MassMessage.Status.SENT)


@pytest.mark.parametrize("first_is_sent", [False, True])
def test_a_part_has_failed_when_one_of_its_messages_has(alice: User, sandbox: Any, first_is_sent: bool):
    message = sent_to_outbox(alice, reachable(user=alice))
    if first_is_sent:
        send_next()
        refuse_messages(sandbox)
    else:
        OutboxMessage.objects.filter(content__type=3).update(not_before=timezone.now() + timedelta(hours=1))
        refuse_messages(sandbox)
    assert state_of(message) == ([2], MassMessage.Status.FAILED)
    assert message.groups.get().reason


def test_a_part_is_sent_after_an_operators_retry_of_its_failed_message(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    send_next()
    refuse_messages(sandbox)
    sandbox.state.faults.clear()
    failed.retry_failed(OutboxMessage.objects.failed(), at=timezone.now())
    send_due_messages()
    assert state_of(message) == ([1], MassMessage.Status.SENT)
    assert message.groups.get().reason == ""


def test_a_part_has_failed_when_its_group_is_cancelled_between_the_two_messages(alice: User, sandbox: Any):
    group = reachable(user=alice)
    message = sent_to_outbox(alice, group)
    send_next()
    cancelling.cancel_groups(group_ids=[group.pk], reason=CancelReason.OPERATOR, by="wang", at=timezone.now())
    assert state_of(message) == ([2], MassMessage.Status.FAILED)


def recall(user: User, message: MassMessage) -> int:
    return int(ApiClient(user).delete(f"/tasks/{message.pk}")["code"])


def test_a_recall_recalls_both_messages(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    send_due_messages()
    assert recall(alice, message) == 1200
    send_due_messages()
    numbers = OutboxMessage.objects.of_source(message.source).values_list("message_no", flat=True)
    assert sorted(sandbox.state.recalled) == sorted(map(str, numbers))
    assert state_of(message) == ([3], MassMessage.Status.RECALLED)


def test_a_recall_between_the_two_messages_recalls_the_first_and_closes_the_second(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    first = send_next()
    assert recall(alice, message) == 1200
    send_due_messages()
    assert (sandbox.state.recalled, sandbox.state.messages) == ([first], {})
    assert state_of(message) == ([3], MassMessage.Status.RECALLED)


def test_a_part_that_failed_after_its_first_message_can_be_recalled(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    first = send_next()
    refuse_messages(sandbox)
    sandbox.state.faults.clear()
    assert recall(alice, message) == 1200
    send_due_messages()
    assert sandbox.state.recalled == [first]
    assert state_of(message) == ([3], MassMessage.Status.RECALLED)


def test_when_one_recall_is_refused_the_part_counts_as_sent(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    send_due_messages()
    recall(alice, message)
    OutboxMessage.objects.filter(pk=OutboxMessage.objects.latest("pk").pk).update(
        not_before=timezone.now() + timedelta(hours=1)
    )
    refuse_messages(sandbox)
    assert state_of(message) == ([1], MassMessage.Status.SENT)
    assert message.groups.get().reason.startswith("撤回失败：")


def test_when_the_second_message_was_never_sent_a_refused_recall_leaves_a_failed_part(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    send_next()
    recall(alice, message)
    refuse_messages(sandbox)
    assert state_of(message) == ([2], MassMessage.Status.FAILED)
    assert message.groups.get().reason.startswith("撤回失败：")


def test_messages_that_the_gateway_is_recalling_are_not_recalled_again(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    send_due_messages()
    assert (recall(alice, message), recall(alice, message)) == (1200, 1409)
    assert OutboxMessage.objects.filter(operation="recall").count() == 2


def test_the_database_refuses_a_sent_group_without_a_message(alice: User):
    part = scheduled(alice, GroupFactory(user=alice)).groups.get()
    part.status, part.settled_at = MassMessage.Status.SENT, timezone.now()
    with pytest.raises(IntegrityError, match="mass_message_is_sent_by_messages"), transaction.atomic():
        part.save()
