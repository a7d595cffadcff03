"""Creating, changing and deleting keyword batches."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from accounts.queries import UserStatement
from config.errors import BadRequest
from config.platform import db
from config.platform.characters import comparable
from config.platform.locks import take_lock
from config.platform.lookups import has_id
from groups.models import Group
from groups.references import groups_by_reference
from integrations.moderation.words import require_clean
from keywords.matcher import matcher
from keywords.models import GroupKeyword, KeywordBatch

# A former owner is a user for whom the group is no longer served and who does not own it in WeChat.
_DELETE_OF_FORMER_OWNERS = """
DELETE FROM keywords_groupkeyword k USING groups_group g, keywords_keywordbatch b, accounts_user u
WHERE k.group_id = ANY(%s) AND g.id = k.group_id AND b.id = k.batch_id AND u.id = b.user_id
  AND g.user_id <> u.id AND (g.wechat_owner_code = '' OR g.wechat_owner_code IS DISTINCT FROM u.code)
"""
MOST_KEYWORDS = 50
LONGEST_KEYWORD = 32
LONGEST_COMPARED = 96  # characters of the comparable form, in which one character may become several
LONGEST_REPLY = 1000


class NotOwnGroup(BadRequest):
    field = "group_codes"
    message = "只能选择自己的、正在服务的群"


class KeywordTaken(BadRequest):
    field = "keywords"
    message = "同一个群里不能有重复的关键字"


class BatchUnknown(BadRequest):
    field = "id"
    message = "关键字不存在"


def create_batch(
    *, user: User, group_codes: Sequence[str], keywords: Sequence[str], reply: str, at: datetime
) -> KeywordBatch:
    """Have the robot answer these keywords in these groups.

    Raises 1403 for a group of another user or a keyword that the group has already, 2003 for a sensitive word.
    """
    require_clean(reply, *keywords)
    with transaction.atomic():
        _lock_edits()
        fields = {"keywords": list(keywords), "folded": _folded(keywords), "reply_content": reply}
        batch = KeywordBatch.objects.create(user=user, created_at=at, **fields)
        _add_to_groups(batch, _own_groups(user, group_codes), keywords)
    return batch


def change_batch(
    *, user: User, batch_id: str, group_codes: Sequence[str], keywords: Sequence[str], reply: str
) -> None:
    """Replace the keywords, groups and reply of a batch. Its trigger count and its pause stay."""
    require_clean(reply, *keywords)
    with transaction.atomic():
        _lock_edits()
        batch = _lock_batch(user, batch_id)
        batch.keywords, batch.folded, batch.reply_content = list(keywords), _folded(keywords), reply
        batch.save(update_fields=["keywords", "folded", "reply_content"])
        batch.group_keywords.all().delete()
        _add_to_groups(batch, _own_groups(user, group_codes), keywords)


def delete_batch(*, user: User, batch_id: str) -> None:
    with transaction.atomic():
        _lock_batch(user, batch_id).delete()


def delete_of_former_owners(group_ids: Sequence[UUID]) -> int:
    """Delete the keywords of former owners in these groups, so that the new owner can set the same ones.

    Returns how many were deleted.
    """
    return db.execute(_DELETE_OF_FORMER_OWNERS, [list(group_ids)])


@UserStatement
def listed_batches(user_id: UUID) -> QuerySet[Any, Any]:
    """Return the user's batches, newest first, each with the codes of its active groups."""
    columns = ("id", "keywords", "reply_content", "trigger_count", "group_codes")
    return _with_groups(user_id).order_by("-created_at", "pk").values_list(*columns)


def _with_groups(user_id: UUID) -> QuerySet[Any]:
    active = Q(group_keywords__isnull=False, group_keywords__group__cancelled_at__isnull=True)
    codes = ArrayAgg("group_keywords__group__code", distinct=True, filter=active, default=[])
    return KeywordBatch.objects.filter(user_id=user_id).annotate(group_codes=codes)


def batch_of_user(user: User, batch_id: str) -> Any:
    """Return one batch of the user. Raises BatchUnknown (1403)."""
    batch = _with_groups(user.pk).filter(has_id(batch_id)).first()
    if batch is None:
        raise BatchUnknown
    return batch


def _folded(keywords: Sequence[str]) -> list[str]:
    return [comparable(keyword) for keyword in keywords]


def _lock_edits() -> None:
    """Lock edits of keywords until this transaction ends, so that new rows become visible in the order of their ids.

    The matcher relies on this order: it reads only rows with a higher id than the last row that it has read.
    """
    take_lock("keywords_groupkeyword")


def _lock_batch(user: User, batch_id: str) -> KeywordBatch:
    batch = KeywordBatch.objects.select_for_update().filter(has_id(batch_id), user=user).first()
    if batch is None:
        raise BatchUnknown
    return batch


def _own_groups(user: User, references: Sequence[str]) -> list[UUID]:
    """Return the ids of these groups. Raises NotOwnGroup (1403) when one is not the user's own."""
    found = groups_by_reference(Group.objects.own_of(user), references)
    if any(reference not in found for reference in references):
        raise NotOwnGroup
    return sorted({group.pk for group in found.values()})  # the order in which all code locks groups


def _add_to_groups(batch: KeywordBatch, group_ids: Sequence[UUID], keywords: Sequence[str]) -> None:
    folded = _folded(keywords)
    if len(set(folded)) != len(folded):
        raise KeywordTaken
    delete_of_former_owners(group_ids)  # a former owner's edit may have committed after the change of owner
    rows = [GroupKeyword(batch=batch, group_id=pk, folded=keyword) for pk in group_ids for keyword in folded]
    try:
        with transaction.atomic():
            GroupKeyword.objects.bulk_create(rows, batch_size=5000)
    except IntegrityError as error:
        raise KeywordTaken from error
    matcher.mark_stale()
