"""The search for misspelled fields in posted events."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

from integrations.gateway.events import event_class_of

ENVELOPE = frozenset({"event_id", "command", "body"})
MAX_WARNINGS = 100  # of one call: a caller that misspells a field misspells it in the same way each time
_MAX_COMPARED = 300  # unknown names of one call that are compared: each comparison takes up to a millisecond
_MAX_LENGTH, _MIN_ANAGRAM_LENGTH, _MIN_LIKENESS = 40, 4, 0.85


def misspelled_in(events: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return {index, field, reason} of each unknown field that looks like a known one. `events`: by index in the call."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    unknown = ((index, *field) for index, event in events.items() for field in _unknown_fields(event))
    for count, (index, field, known) in enumerate(unknown):
        if count >= _MAX_COMPARED or len(found) >= MAX_WARNINGS:
            break
        if intended := _intended_field(field, known):
            found[index, field] = {"index": index, "field": field, "reason": f"未知字段，是否应为 {intended}"}
    return list(found.values())


def _unknown_fields(event: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each unknown name of the event and its body, with the known names."""
    for field in event.keys() - ENVELOPE:
        yield field, ENVELOPE
    kind, body = event_class_of(str(event.get("command")).strip()), event.get("body")
    if kind is None:
        return
    known = kind.names
    for part in body if isinstance(body, list) else [body]:
        for field in part.keys() - known if isinstance(part, dict) else ():
            yield field, known


@lru_cache(maxsize=4096)
def _intended_field(field: str, known: frozenset[str]) -> str:
    """Return the known name that is most like the field, or an empty string when none is similar enough."""
    if len(field) > _MAX_LENGTH:
        return ""
    likeness = {name: _likeness(_normalized(field), _normalized(name)) for name in sorted(known)}
    best = max(likeness, key=lambda name: likeness[name])
    return best if likeness[best] >= _MIN_LIKENESS else ""


def _likeness(first: str, second: str) -> float:
    """Return the similarity of two names from 0 to 1. The same letters in another order count as 1."""
    if first == second or (len(first) >= _MIN_ANAGRAM_LENGTH and sorted(first) == sorted(second)):
        return 1.0
    return SequenceMatcher(None, first, second).ratio()


def _normalized(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").strip()
