"""Erasure of a person's data in this app: friendships, scans and private messages."""

from datetime import datetime

from django.db.models import F, Q, Value
from django.db.models.functions import Replace

from accounts.models import User
from config.platform import db
from robots.models import Friendship, OutboxMessage, Scan
from robots.outbox import writing

_ENDED = "用户已注销账号"
_MENTIONS = """
UPDATE robots_outboxmessage SET mentions = (mentions - %(code)s) || to_jsonb(%(pseudonym)s::text)
WHERE mentions @> to_jsonb(%(code)s::text)
"""


def forget_person(user: User, *, pseudonym: str, at: datetime) -> None:
    """Delete the user's friendships and scans, close unsent private messages, and empty and pseudonymize the others."""
    Friendship.objects.filter(user=user).delete()
    if user.union_id:
        Scan.objects.filter(union_id=user.union_id).delete()
    if not user.code:
        return
    is_private = Q(user_code=user.code, group_code="")
    writing.close_all(OutboxMessage.objects.unsent().filter(is_private), reason=_ENDED, at=at)
    OutboxMessage.objects.filter(is_private).update(content={})
    OutboxMessage.objects.filter(user_code=user.code).update(
        user_code=pseudonym, ordering_key=Replace(F("ordering_key"), Value(user.code), Value(pseudonym))
    )
    db.execute(_MENTIONS, {"code": user.code, "pseudonym": pseudonym})
