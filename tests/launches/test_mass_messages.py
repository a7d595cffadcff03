"""Mass messages of users to their own groups."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from groups import cancelling
from groups.models import CancelReason, Group
from integrations.moderation.words import add_words
from launches import mass_message_drafts
from launches.models import MassMessage, MassMessageGroup, ScheduledSending
from launches.tasks import fire_mass_messages
from robots.models import OutboxMessage
from robots.outbox.sender import Sender
from tests.factories.launches import PICTURE, TEXT, drafted, reachable, scheduled
from tests.factories.people import GroupFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import send_due_messages
from tests.support.mass_messages import complete_draft, sent_to_outbox, statuses_of, tomorrow
from tests.support.outbox import refuse_messages

pytestmark = pytest.mark.django_db


def test_a_draft_shows_the_forwarded_content(alice: User):
    draft = drafted(alice)
    assert ApiClient(alice).get(f"/tasks/{draft.pk}")["data"] == {"id": str(draft.pk), "content": PICTURE}


def test_a_draft_expires_after_ten_minutes(alice: User):
    draft = drafted(alice, at=timezone.now() - mass_message_drafts.LIFETIME)
    assert ApiClient(alice).get(f"/tasks/{draft.pk}")["code"] == 1404
    assert complete_draft(alice, GroupFactory(user=alice).code, draft_id=draft.pk)["code"] == 1404


def test_another_users_draft_is_not_found(alice: User):
    draft = drafted(UserFactory())
    assert ApiClient(alice).get(f"/tasks/{draft.pk}")["code"] == 1404
    assert complete_draft(alice, GroupFactory(user=alice).code, draft_id=draft.pk)["code"] == 1404


def test_a_completed_draft_is_a_mass_message_under_its_id(alice: User):
    draft, group = drafted(alice), GroupFactory(user=alice)
    assert complete_draft(alice, group.code, draft_id=draft.pk)["code"] == 1200
    assert MassMessage.objects.get(pk=draft.pk).groups.get().group == group
    assert ApiClient(alice).get(f"/tasks/{draft.pk}")["code"] == 1404


def test_completing_twice_is_a_conflict(alice: User):
    draft, group = drafted(alice), GroupFactory(user=alice)
    complete_draft(alice, group.code, draft_id=draft.pk)
    assert complete_draft(alice, group.code, draft_id=draft.pk, send_date=tomorrow(12))["code"] == 1409


def test_groups_are_named_by_id_or_code_in_a_list_or_with_commas(alice: User):
    first, second = GroupFactory(user=alice), GroupFactory(wechat_owner_code="wx-alice")
    assert complete_draft(alice, group_ids=f"{first.pk},{second.code}")["code"] == 1200
    assert MassMessage.objects.get().groups.count() == 2


def test_another_users_group_is_not_found(alice: User):
    assert complete_draft(alice, GroupFactory(user=alice).code, GroupFactory().code)["code"] == 1404
    assert MassMessage.objects.count() == 0


def test_a_sensitive_word_is_refused(alice: User):
    add_words(["活动"])
    assert complete_draft(alice, GroupFactory(user=alice).code)["code"] == 2003


def test_the_past_is_refused(alice: User):
    answer = complete_draft(alice, GroupFactory(user=alice).code, send_date="2020-01-01 10:00:00")
    assert answer["code"] == 1403
    assert "send_date" in answer["description"]


@pytest.mark.parametrize(
    "when", ["%Y%m%d", "%G-W%V-%u", "%Y-%m-%dT09:30:00", "%Y-%m-%d 09:30", "%Y-%m-%d 09:30:00Z"]
)
def test_a_time_that_is_not_written_as_documented_is_refused(alice: User, when: str):
    written = (timezone.localtime() + timedelta(days=2)).strftime(when)
    answer = complete_draft(alice, GroupFactory(user=alice).code, send_date=written)
    assert (answer["code"], "send_date" in answer["description"]) == (1403, True)
    assert not MassMessage.objects.exists()


_NO_LINKS = [
    "javascript:alert(1)",
    "ftp://example.com/",
    "example.com",
    "https://a@evil.com/",
    "https://a.com\\@evil.com",
]


@pytest.mark.parametrize("url", _NO_LINKS)
@pytest.mark.parametrize("kind", [6, 8])
def test_addresses_must_be_web_addresses(alice: User, url: str, kind: int):
    message = {"type": kind, "title": "标题", "content": "", "desc": "", "url": url}
    answer = complete_draft(alice, GroupFactory(user=alice).code, message=message)
    assert (answer["code"], "url" in answer["description"]) == (1403, True)
    assert not MassMessage.objects.exists()


@pytest.mark.parametrize("far", ["2206-01-01", "9999-12-31 23:59:59"])
def test_more_than_a_year_ahead_is_refused(alice: User, far: str):
    answer = complete_draft(alice, GroupFactory(user=alice).code, send_date=far)
    assert (answer["code"], answer["description"]) == (1403, "最多提前一年，请检查年份（send_date）")


@pytest.mark.parametrize("reference", ["a\x00", "a\ud800", "", "x" * 129])
def test_a_reference_that_cannot_be_a_group_code_is_refused(alice: User, reference: str):
    answer = complete_draft(alice, reference)
    assert answer["code"] == 1403
    assert "group_ids" in answer["description"]


def test_a_day_means_its_morning(alice: User):
    day = tomorrow()[:10]
    complete_draft(alice, GroupFactory(user=alice).code, send_date=day)
    assert ApiClient(alice).get("/tasks/messages", direction="up")["data"][0]["send_date"] == f"{day} 09:00:00"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (TEXT | {"type": 12}, "type"),
        (PICTURE | {"content": "", "url": " "}, "url"),
        (TEXT | {"type": 6, "title": "x"}, "url"),
        (TEXT | {"type": 11, "content": " "}, "title"),
        (TEXT | {"type": 6, "title": "\u200b", "url": "https://a.cn"}, "title"),
        (TEXT | {"type": 6, "title": "好\n文", "url": "https://a.cn"}, "title"),
        ({}, "type"),
        ("x", "message"),
    ],
)
def test_a_message_needs_what_its_type_needs(alice: User, message: Any, field: str):
    answer = complete_draft(alice, GroupFactory(user=alice).code, message=message)
    assert answer["code"] == 1403
    assert field in answer["description"]


def test_the_third_of_a_day_is_refused(alice: User):
    group = GroupFactory(user=alice)
    assert complete_draft(alice, group.code, send_date=tomorrow(10))["code"] == 1200
    assert complete_draft(alice, group.code, send_date=tomorrow(11))["code"] == 1200
    assert complete_draft(alice, group.code, send_date=tomorrow(12))["code"] == 2004


def test_a_group_gets_one_mass_message_a_minute_whoever_sends_it(alice: User):
    group = GroupFactory(user=alice, wechat_owner_code="wx-bob")
    assert complete_draft(alice, group.code, send_date=tomorrow(10))["code"] == 1200
    assert complete_draft(UserFactory(code="wx-bob"), group.code, send_date=tomorrow(10))["code"] == 2005


def test_the_lists_show_a_week_ahead_and_a_week_back(alice: User):
    message = scheduled(alice, GroupFactory(user=alice), GroupFactory(user=alice))
    client = ApiClient(alice)
    row = client.get("/tasks/messages", direction="up")["data"][0]
    assert (row["id"], row["group_counts"], row["status"]) == (str(message.pk), 2, 0)
    assert client.get("/tasks/messages", direction="down")["data"] == []
    with time_machine.travel(timezone.now() + timedelta(minutes=50), tick=False):
        assert client.get("/tasks/messages", direction="up")["data"] != []


def test_the_detail_shows_groups_and_content(alice: User):
    group = GroupFactory(user=alice, name="好群")
    message = scheduled(alice, group)
    data = ApiClient(alice).get(f"/tasks/{message.pk}/message")["data"]
    assert data["groups_info"] == [{"id": str(group.pk), "name": "好群"}]
    assert data["content"] == [PICTURE]


def test_another_users_detail_is_not_found(alice: User):
    message = scheduled(alice, GroupFactory(user=alice))
    assert ApiClient(UserFactory()).get(f"/tasks/{message.pk}/message")["code"] == 1404
    assert ApiClient(alice).get(f"/tasks/{uuid4()}/message")["code"] == 1404


def at_its_time(message: MassMessage, seconds: int = 1) -> datetime:
    return message.send_at + timedelta(seconds=seconds)


def test_each_group_gets_a_mass_message_once_when_it_is_due(alice: User, sandbox: Any):
    message = scheduled(alice, reachable(user=alice), reachable(user=alice))
    assert fire_mass_messages() == 0
    with time_machine.travel(at_its_time(message)):
        assert fire_mass_messages() == 1
        assert fire_mass_messages() == 0
        send_due_messages()
    assert OutboxMessage.objects.of_source(message.source).filter(status=1).count() == 2
    message.refresh_from_db()
    assert message.status == MassMessage.Status.SENT


def test_recalling_a_waiting_mass_message_frees_its_slot(alice: User):
    group = reachable(user=alice)
    message = scheduled(alice, group)
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1200
    again = scheduled(alice, group, send_at=message.send_at)
    with time_machine.travel(at_its_time(message)):
        assert fire_mass_messages() == 1
    assert set(OutboxMessage.objects.values_list("source_type", "source_id")) == {again.source}


def test_a_mass_message_that_reached_no_group_has_failed(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    refuse_messages(sandbox)
    message.refresh_from_db()
    assert (statuses_of(message), message.status) == ([2], MassMessage.Status.FAILED)


def test_a_group_cancelled_before_sending_gets_no_message(alice: User, sandbox: Any):
    kept, gone = reachable(user=alice), reachable(user=alice)
    message = scheduled(alice, kept, gone, send_at=timezone.now())
    cancelling.cancel_groups(group_ids=[gone.pk], reason=CancelReason.OPERATOR, by="wang", at=timezone.now())
    fire_mass_messages()
    send_due_messages()
    message.refresh_from_db()
    assert sorted(statuses_of(message)) == [1, 2]
    assert message.status == MassMessage.Status.SENT


def test_a_user_blocked_before_sending_sends_no_message(alice: User, sandbox: Any):
    message = scheduled(alice, reachable(user=alice), send_at=timezone.now())
    User.objects.filter(pk=alice.pk).update(blocked_at=timezone.now())
    fire_mass_messages()
    assert send_due_messages() == 0
    assert message.groups.get().reason == "账号已被封"


def test_a_mass_message_that_is_hours_late_is_sent(alice: User, sandbox: Any):
    message = scheduled(alice, reachable(user=alice))
    with time_machine.travel(at_its_time(message, seconds=3 * 3600)):
        assert fire_mass_messages() == 1
        assert send_due_messages() == 1


def test_a_mass_message_that_fails_delays_no_other_and_is_left_to_an_operator(alice: User, sandbox: Any):
    broken, sound = (scheduled(alice, reachable(user=alice), send_at=timezone.now()) for _ in range(2))
    Group.objects.filter(mass_messages__mass_message=broken).update(code="")  # no address of a message
    for _ in range(5):
        fire_mass_messages()
        ScheduledSending.objects.open().update(next_attempt_at=timezone.now())
    assert set(OutboxMessage.objects.values_list("source_type", "source_id")) == {sound.source}
    job = ScheduledSending.objects.failed().get()
    assert (job.mass_message, job.attempts) == (broken, 5)


def test_a_sender_alone_sends_a_mass_message_within_five_seconds(alice: User, sandbox: Any):
    message = scheduled(alice, reachable(user=alice), send_at=timezone.now() + timedelta(seconds=1.5))
    deadline = timezone.now() + timedelta(seconds=20)
    with Sender() as sender:
        sender.run(lambda: bool(sandbox.state.messages) or timezone.now() > deadline)
    sent = OutboxMessage.objects.of_source(message.source).get()
    assert timedelta(0) <= sent.finished_at - message.send_at < timedelta(seconds=5)


def test_the_lists_take_the_same_queries_however_long(alice: User, django_assert_num_queries: Any):
    groups = [GroupFactory(user=alice) for _ in range(3)]
    for day in range(1, 6):
        at = timezone.now() + timedelta(days=day)
        scheduled(alice, *groups, send_at=at)
    client = ApiClient(alice)
    with django_assert_num_queries(1):
        assert len(client.get("/tasks/messages", direction="up")["data"]) == 5


def test_the_detail_takes_the_same_queries_however_many_groups(alice: User, django_assert_num_queries: Any):
    message = scheduled(alice, *(GroupFactory(user=alice) for _ in range(5)))
    client = ApiClient(alice)
    with django_assert_num_queries(4):
        assert len(client.get(f"/tasks/{message.pk}/message")["data"]["groups_info"]) == 5


def test_the_database_refuses_a_third_mass_message_of_a_day(alice: User):
    for hour in (10, 11):
        complete_draft(alice, GroupFactory(user=alice).code, send_date=tomorrow(hour))
    third = MassMessage.objects.first()
    third.pk = uuid4()
    with pytest.raises(IntegrityError, match="mass_message_slot_is_taken_once"), transaction.atomic():
        third.save(force_insert=True)
    third.slot = 3
    with pytest.raises(IntegrityError, match="two_mass_messages_a_day"), transaction.atomic():
        third.save(force_insert=True)


def test_the_database_refuses_a_second_in_the_same_minute(alice: User):
    group = GroupFactory(user=alice)
    first, second = scheduled(alice, group), scheduled(alice, GroupFactory(user=alice))
    part = MassMessageGroup(mass_message=second, group=group, minute=first.groups.get().minute)
    with pytest.raises(IntegrityError, match="one_mass_message_per_group_and_minute"), transaction.atomic():
        part.save()
