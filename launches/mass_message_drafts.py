"""Drafts of mass messages, which users send to the robot after choosing 群发 in the menu; valid for ten minutes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from accounts.models import User
from config.errors import BadRequest, NotFound
from config.platform.lookups import has_id
from config.platform.web_addresses import address_problem
from config.site import client_pages, short_links
from integrations.gateway.payloads import MessageType, picture_address
from launches.models import MassMessageDraft

LIFETIME = timedelta(minutes=10)
PARTS = ("type", "content", "title", "desc", "url")
# By type of message: the sets of parts of which one must be present. A mini program may have its title in the card, which
# is its content. All other parts may be empty.
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
    """Create a draft from a message (`type content title url desc`, as the gateway sends it).

    Raises ContentUnusable (1403) for a type that mass messages do not have, and for an address that is not of the web.
    """
    parts = {part: str(content.get(part) or "") for part in PARTS}
    if not parts["type"].isdigit() or int(parts["type"]) not in USABLE:
        raise ContentUnusable
    if problem := content_address_problem(parts | {"type": int(parts["type"])}):
        raise ContentUnusable(problem, field="url")
    return MassMessageDraft.objects.create(
        user=user, content=parts | {"type": int(parts["type"])}, created_at=at, expires_at=at + LIFETIME
    )


def missing_content_part(content: Mapping[str, Any]) -> str | None:
    """Return the name of the first part that a message of this usable type needs and lacks, or None."""
    needed = NEEDED[int(content["type"])]
    missing = (parts for parts in needed if not any(str(content.get(part) or "").strip() for part in parts))
    return next(("/".join(parts) for parts in missing), None)


def content_address_problem(content: Mapping[str, Any]) -> str:
    """Return in Chinese why the address in this message cannot be sent, or "". The type is usable."""
    match content["type"]:
        case MessageType.LINK:
            return address_problem(str(content["url"]))
        case MessageType.IMAGE:
            return address_problem(picture_address(content.get("content"), content.get("url")) or "")
    return ""


def link_to(draft: MassMessageDraft) -> str:
    """Return the short address at which the client completes the draft."""
    return short_links.shorten(client_pages.new_mass_message(draft.pk))


def open_draft(user: User, draft_id: str, *, at: datetime) -> MassMessageDraft:
    """Return a draft that can be completed. Raises DraftUnknown (1404) once it is completed or expired."""
    drafts = MassMessageDraft.objects.filter(has_id(draft_id), user=user, completed_at=None, expires_at__gt=at)
    draft = drafts.first()
    if draft is None:
        raise DraftUnknown
    return draft


def delete_old_drafts(*, at: datetime) -> int:
    """Delete drafts older than a week. Returns how many."""
    count, _ = MassMessageDraft.objects.filter(created_at__lt=at - timedelta(days=7)).delete()
    return count
