"""Conversations with customer service."""

from datetime import timedelta
from typing import Any

import factory
from django.utils import timezone

from feedback.models import Conversation, ForwardedMessage
from tests.factories.people import UserFactory, days_ago


class ConversationFactory(factory.django.DjangoModelFactory[Conversation]):
    """A conversation of yesterday that ended after half an hour."""

    class Meta:
        model = Conversation

    user: Any = factory.SubFactory(UserFactory)
    opened_at = factory.LazyFunction(lambda: days_ago(1))
    last_message_at = factory.SelfAttribute("opened_at")
    closed_at = factory.LazyAttribute(lambda conversation: conversation.opened_at + timedelta(minutes=30))


class ForwardedMessageFactory(factory.django.DjangoModelFactory[ForwardedMessage]):
    """A waiting message of a user to staff."""

    class Meta:
        model = ForwardedMessage

    conversation: Any = factory.SubFactory(ConversationFactory)
    kind = "text"
    content = "在吗"
    written_at = factory.LazyFunction(timezone.now)
    next_attempt_at = factory.SelfAttribute("written_at")
