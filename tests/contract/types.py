"""The types with which the contract table describes an answer."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Type:
    """A type of value. `schema`: the names that OpenAPI may use for it."""

    name: str
    fits: Callable[[Any], bool]
    schema: tuple[str, ...]
    is_nullable: bool = False
    is_extra: bool = False  # named by the decisions, not by the document
    is_optional: bool = False  # not in every answer


Shape = Type | Mapping[str, "Shape"] | list["Shape"]  # an object of named fields, or a list of one kind


def _text(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


TEXT = Type("string", lambda value: isinstance(value, str), ("string",))
INTEGER = Type("integer", _whole, ("integer",))
NUMBER = Type("number", lambda value: _whole(value) or isinstance(value, float), ("number",))
BOOLEAN = Type("boolean", lambda value: isinstance(value, bool), ("boolean",))
MONEY = Type("money", _text(r"-?\d+\.\d\d"), ("string",))
UUID = Type("uuid", _text(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), ("string",))
TIME = Type("time", _text(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), ("string",))
DAY = Type("day", _text(r"\d{4}-\d\d-\d\d"), ("string",))
SWITCH = Type("0 or 1", lambda value: _whole(value) and value in (0, 1), ("integer",))
NOTHING = Type("null", lambda value: value is None, ("null",))
BLANK = Type('""', lambda value: value == "", ("string",))
SUCCESS = Type('"SUCCESS"', lambda value: value == "SUCCESS", ("string",))
LINK = Type("short link", _text(r"https?://[^/]+/s/[\w-]+"), ("string",))


def nullable(kind: Type) -> Type:
    return replace(kind, is_nullable=True)


def extra(kind: Type) -> Type:
    """A field that the document does not have and the decisions name."""
    return replace(kind, is_extra=True)


def optional(shape: Any) -> Type:
    """A field that only some answers carry."""
    kind = (
        shape if isinstance(shape, Type) else Type("object", lambda value: not misfits(value, shape), ("object",))
    )
    return replace(kind, is_optional=True)


def misfits(value: Any, shape: Shape, where: str = "data") -> list[str]:
    """Return how `value` differs from `shape`: fields that are missing, unexpected or of another type."""
    if isinstance(shape, list):
        return _list_misfits(value, shape[0], where)
    if isinstance(shape, Mapping):
        return _object_misfits(value, shape, where)
    fits = (value is None and shape.is_nullable) or shape.fits(value)
    return [] if fits else [f"{where}: {value!r} is no {shape.name}"]


def _list_misfits(value: Any, shape: Shape, where: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{where}: {value!r} is no list"]
    return [wrong for number, one in enumerate(value) for wrong in misfits(one, shape, f"{where}.{number}")]


def _object_misfits(value: Any, shape: Mapping[str, Shape], where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    needed = {name for name, part in shape.items() if not (isinstance(part, Type) and part.is_optional)}
    wrong = [f"{where}: without {name}" for name in sorted(needed - set(value))]
    wrong += [f"{where}: with {name}" for name in sorted(set(value) - set(shape))]
    return wrong + [
        one for name in shape if name in value for one in misfits(value[name], shape[name], f"{where}.{name}")
    ]
