"""The fields that the gateway's events have, and what looks like one of them written wrongly."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

ENVELOPE = frozenset({"event_id", "command", "body"})
_PERSON = frozenset({"user_id", "nickname", "avatar"})
_SAID = frozenset({"send_time", "type", "content", "title", "desc", "url", "voice_time"})
_BINDING = frozenset({"robot_id", "group_id", "user_id", "name"})
OF_COMMAND: dict[str, frozenset[str]] = {
    "robot_added": _PERSON | {"robot_id", "add_time"},
    "wait_for_bind": _BINDING,
    "bind_group_success": _BINDING | {"bind_time"},
    "robot_join_failed": _BINDING | {"reason"},
    "robot_kicked": frozenset({"robot_id", "group_id", "user_id", "kick_time"}),
    "unbind_group_success": frozenset({"robot_id", "group_id"}),
    "abnormal_robot": frozenset({"robot_id"}),
    "abnormal_robot_replaced": frozenset({"robot_id", "replace_robot_id", "qrcode"}),
    "join_group": _PERSON | {"group_id", "join_time"},
    "drop_out_group": _PERSON | {"group_id", "join_time"},
    "group_info": frozenset({"id", "name", "admin_user_id", "mem_count", "robots"}),
    "group_members": _PERSON | {"group_id", "is_admin"},
    "group_message": _SAID | {"group_id", "user_id", "all", "at_users", "message_no", "is_robot"},
    "private_message": _SAID | {"robot_id", "user_id"},
}
MOST_WARNINGS = 100  # of one call; a sender that is wrong is wrong in the same way each time
_MOST_LOOKED_AT = 300  # unknown names of one call that are compared: each costs up to a millisecond
_LONGEST, _SHORTEST_ANAGRAM, _ALIKE = 40, 4, 0.85


def misspelled_in(events: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return {index, field, reason} of each unknown field that looks like a known one. `events`: by place in the call."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    unknown = ((index, *one) for index, event in events.items() for one in _unknown_of(event))
    for count, (index, field, known) in enumerate(unknown):
        if count >= _MOST_LOOKED_AT or len(found) >= MOST_WARNINGS:
            break
        if meant := _meant_by(field, known):
            found[index, field] = {"index": index, "field": field, "reason": f"未知字段，是否应为 {meant}"}
    return list(found.values())


def _unknown_of(event: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each name that the event and its body should not have, with the names that they may have."""
    for field in event.keys() - ENVELOPE:
        yield field, ENVELOPE
    known, body = OF_COMMAND.get(str(event.get("command")).strip()), event.get("body")
    if known is None:
        return
    for part in body if isinstance(body, list) else [body]:
        for field in part.keys() - known if isinstance(part, dict) else ():
            yield field, known


@lru_cache(maxsize=4096)
def _meant_by(field: str, known: frozenset[str]) -> str:
    """Return the known name that this one is much like; nothing when there is none."""
    if len(field) > _LONGEST:
        return ""
    likeness = {name: _likeness(_plain(field), _plain(name)) for name in sorted(known)}
    best = max(likeness, key=lambda name: likeness[name])
    return best if likeness[best] >= _ALIKE else ""


def _likeness(one: str, other: str) -> float:
    """Return 1.0 for the same letters, in another order too."""
    if one == other or (len(one) >= _SHORTEST_ANAGRAM and sorted(one) == sorted(other)):
        return 1.0
    return SequenceMatcher(None, one, other).ratio()


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").strip()
