"""Callbacks of customer service: signed, recent, accepted once."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from feedback.models import CallbackDigest, Conversation
from feedback.tasks import forget_digests
from robots.models import OutboxMessage, Robot
from tests.factories.conversations import ConversationFactory
from tests.factories.people import FriendshipFactory, UserFactory
from tests.support.customer_service import call_back, post_callback, signed_callback
from tests.support.entry_points import private_messages_to

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def alice() -> User:
    """A user with a robot and an open conversation with customer service."""
    user = UserFactory(code="wx-alice")
    FriendshipFactory(user=user)
    ConversationFactory(user=user, opened_at=timezone.now() - timedelta(minutes=5), closed_at=None)
    return user


def without_conversation(code: str = "wx-bob") -> User:
    """Return a user with a robot whose conversation has ended."""
    user = UserFactory(code=code)
    FriendshipFactory(user=user)
    ConversationFactory(user=user)
    return user


def test_staffs_text_reaches_the_user_through_the_robot():
    assert call_back("请稍等") == 1200
    assert private_messages_to("wx-alice") == ["请稍等"]


def test_the_user_is_named_by_code_or_id():
    assert call_back("请稍等", user=str(User.objects.get(code="wx-alice").pk)) == 1200
    assert private_messages_to("wx-alice") == ["请稍等"]


def test_staffs_picture_reaches_the_user():
    assert call_back("http://e.com/p.png", kind="image") == 1200
    assert OutboxMessage.objects.get().content == {
        "type": 8,
        "content": "http://e.com/p.png",
        "url": "http://e.com/p.png",
    }


@pytest.mark.parametrize("age", [299, -299])
def test_a_clock_may_differ_by_five_minutes(age):
    assert call_back(age=age) == 1200


@pytest.mark.parametrize("age", [301, -301, 10**8])
def test_a_stale_or_early_callback_is_refused(age):
    assert call_back(age=age) == 1401
    assert private_messages_to("wx-alice") == []


def test_another_key_is_refused():
    assert call_back(key="guess") == 1401


def test_a_changed_body_is_refused():
    raw, path = signed_callback({"userId": "wx-alice", "msgType": "text", "content": "a"})
    assert post_callback(raw.replace(b'"a"', b'"b"'), path) == 1401


@pytest.mark.parametrize(
    "query",
    ["", "?timestamp=1", "?digest=x", "?timestamp=x&digest=é", "?timestamp=-1&digest=0", "?timestamp=²&digest=0"],
)
def test_a_callback_without_a_valid_digest_is_refused(query):
    assert post_callback(b"{}", f"/aliyun/callback{query}") == 1401


def test_a_digest_is_accepted_once():
    raw, path = signed_callback({"userId": "wx-alice", "msgType": "text", "content": "a"})
    assert [post_callback(raw, path), post_callback(raw, path)] == [1200, 1409]
    assert private_messages_to("wx-alice") == ["a"]


def test_a_refused_callback_may_be_sent_again():
    raw, path = signed_callback({"userId": "wx-alice", "msgType": "video", "content": "a"})
    assert [post_callback(raw, path), post_callback(raw, path)] == [1403, 1403]
    assert not CallbackDigest.objects.exists()


CALLBACKS = [
    ("你好", "text"),
    ("http://e.com/p.png", "image"),
    ("CONVERSATION_CLOSE", "event"),
    ("", "VISITOR_OVERTIME_NOTICE"),
]


@pytest.mark.parametrize(("content", "kind"), CALLBACKS)
def test_a_user_without_an_open_conversation_is_ignored(content: str, kind: str):
    before = without_conversation().conversations.values_list("last_message_at", "closed_at").get()
    assert call_back(content, kind=kind, user="wx-bob") == 1200
    assert private_messages_to("wx-bob") == []
    assert (
        Conversation.objects.filter(user__code="wx-bob").values_list("last_message_at", "closed_at").get() == before
    )


@pytest.mark.parametrize(("content", "kind"), [*CALLBACKS, ("CONVERSATION_CREATE", "event")])
def test_a_user_who_is_unknown_or_whom_no_robot_reaches_is_ignored(content: str, kind: str):
    UserFactory(code="wx-lonely")
    Robot.objects.update(status=Robot.Status.REMOVED)
    assert {call_back(content, kind=kind, user=user) for user in ("wx-lonely", "wx-alice", "nobody")} == {1200}
    assert not OutboxMessage.objects.exists()
    assert Conversation.objects.get().closed_at is None


def test_the_digest_of_an_ignored_callback_is_accepted_once_too():
    without_conversation()
    raw, path = signed_callback({"userId": "wx-bob", "msgType": "text", "content": "a"})
    assert [post_callback(raw, path), post_callback(raw, path)] == [1200, 1409]


def test_a_malformed_message_to_an_unknown_user_is_refused():
    assert call_back("a", kind="video", user="nobody") == 1403


@pytest.mark.parametrize("body", [{}, [], {"userId": "wx-alice"}, {"userId": ["x"], "msgType": "text"}, "x"])
def test_a_signed_callback_without_its_fields_is_a_bad_request(body):
    assert post_callback(*signed_callback(body)) == 1403


def test_a_signed_body_that_is_no_json_is_a_bad_request():
    assert post_callback(*signed_callback(None, raw=b"\xff{")) == 1403


def test_a_conversation_is_opened_and_closed():
    bob = without_conversation()
    assert call_back("CONVERSATION_CREATE", kind="event", user="wx-bob") == 1200
    assert bob.conversations.filter(closed_at=None).count() == 1
    assert call_back("", kind="conversation_close", user="wx-bob") == 1200
    assert not bob.conversations.filter(closed_at=None).exists()
    assert ["客服已接入" in text for text in private_messages_to("wx-bob")] == [True, False]


def test_a_conversation_created_twice_is_one(alice):
    call_back("CONVERSATION_CREATE")
    call_back("", kind="CONVERSATION_CREATE")
    assert alice.conversations.count() == 1


def test_the_database_keeps_one_open_conversation_a_user():
    call_back("CONVERSATION_CREATE")
    row = Conversation.objects.get()
    row.pk = None
    with pytest.raises(IntegrityError, match="one_open_conversation_per_user"), transaction.atomic():
        row.save(force_insert=True)


def test_a_silent_user_is_warned():
    call_back("VISITOR_OVERTIME_NOTICE")
    assert "即将结束" in private_messages_to("wx-alice")[0]


def test_digests_of_expired_callbacks_are_deleted():
    call_back()
    assert forget_digests() == 0
    CallbackDigest.objects.update(accepted_at=timezone.now() - timedelta(minutes=11))
    assert forget_digests() == 1


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("", "text"),
        ("  ", "text"),
        ("", "image"),
        ("hi", "video"),
        ("javascript:alert(1)", "image"),
        ("data:image/png;base64,AAAA", "image"),
        ("file:///etc/passwd", "image"),
        ("http://a:b@e.com/p.png", "image"),
    ],
)
def test_an_empty_or_unknown_message_is_refused(content: str, kind: str):
    assert call_back(content, kind=kind) == 1403
    assert private_messages_to("wx-alice") == []
