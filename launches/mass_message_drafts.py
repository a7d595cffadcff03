"""Drafts of mass messages: what a user sent the robot after choosing 群发 in the menu, kept for ten minutes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from accounts.models import User
from config.errors import BadRequest, NotFound
from config.platform.lookups import has_id
from config.platform.web_addresses import problem_of
from config.site import client_pages, short_links
from integrations.gateway.payloads import MessageType, picture_address
from launches.models import MassMessageDraft

LIFETIME = timedelta(minutes=10)
PARTS = ("type", "content", "title", "desc", "url")
# By kind of message, parts of which one must be there: a mini program may have its title in the card, which is its
# content. All others may be empty.
NEEDED: Mapping[int, Sequence[tuple[str, ...]]] = {
    MessageType.TEXT: [("content",)],
    MessageType.LINK: [("title",), ("url",)],
    MessageType.IMAGE: [("content", "url")],
    MessageType.MINI_PROGRAM: [("title", "content")],
}
USABLE = tuple(NEEDED)


class ContentUnusable(BadRequest):
    field = "type"
    message = "只能群发文本、图片、链接或小程序"


class DraftUnknown(NotFound):
    message = "没有这条群发草稿，或已过期，请在机器人私聊中重新发送"


def create_draft(*, user: User, content: Mapping[str, Any], at: datetime) -> MassMessageDraft:
    """Keep what the user sent (`type content title url desc`, as the gateway tells it) for ten minutes."""
    kept = {part: str(content.get(part) or "") for part in PARTS}
    if not kept["type"].isdigit() or int(kept["type"]) not in USABLE:
        raise ContentUnusable
    if problem := address_problem(kept | {"type": int(kept["type"])}):
        raise ContentUnusable(problem, field="url")
    return MassMessageDraft.objects.create(
        user=user, content=kept | {"type": int(kept["type"])}, created_at=at, expires_at=at + LIFETIME
    )


def missing_content_part(content: Mapping[str, Any]) -> str | None:
    """Return the name of the first part that a message of this usable type needs and does not have."""
    needed = NEEDED[int(content["type"])]
    missing = (one for one in needed if not any(str(content.get(part) or "").strip() for part in one))
    return next(("/".join(one) for one in missing), None)


def address_problem(content: Mapping[str, Any]) -> str:
    """Return in Chinese why the address in this message cannot be sent, or nothing. `type` is a usable one."""
    match content["type"]:
        case MessageType.LINK:
            return problem_of(str(content["url"]))
        case MessageType.IMAGE:
            return problem_of(picture_address(content.get("content"), content.get("url")) or "")
    return ""


def link_to(draft: MassMessageDraft) -> str:
    """The short address at which the client completes it."""
    return short_links.shorten(client_pages.new_mass_message(draft.pk))


def open_draft(user: User, draft_id: str, *, at: datetime) -> MassMessageDraft:
    """A draft that can still be completed; 1404 once it is completed or expired."""
    drafts = MassMessageDraft.objects.filter(has_id(draft_id), user=user, completed_at=None, expires_at__gt=at)
    draft = drafts.first()
    if draft is None:
        raise DraftUnknown
    return draft


def forget_old(*, at: datetime) -> int:
    """Drafts that nobody can complete any more, after a week; how many."""
    count, _ = MassMessageDraft.objects.filter(created_at__lt=at - timedelta(days=7)).delete()
    return count
