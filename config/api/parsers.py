"""Parsers of JSON bodies. `config.api.bodies` limits their size."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from config.errors import BadRequest

_LONGEST_NAME = 64  # characters of a field's name in a refusal


class RepeatedName(BadRequest):
    """An object with a repeated name, of which the intended value is unknown."""

    message = "请求内容里有重复的字段"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the dict of these pairs. Raises RepeatedName."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RepeatedName(field=_first_repeated(pairs)[:_LONGEST_NAME])
    return found


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _value in pairs:
        if name in seen:
            break
        seen.add(name)
    return name


def strict_json(text: str, **hooks: Any) -> Any:
    """Parse JSON; NaN and repeated names are refused. `hooks` are those of `json.loads`.

    Raises ValueError and RepeatedName.
    """
    return json.loads(text, parse_constant=_refuse_constant, **{"object_pairs_hook": object_of} | hooks)


class StrictJSONParser(JSONParser):
    """A parser of standard JSON: no NaN, no repeated names, no excessive nesting. It skips a byte order mark."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            text = stream.read().decode("utf-8-sig")
            return self.parse_text(text) if text.strip() else {}
        except (ValueError, RecursionError) as error:
            raise ParseError("请求内容不是合法的 JSON") from error

    def parse_text(self, text: str) -> Any:
        return strict_json(text)


@dataclass(frozen=True)
class Ambiguous:
    """A placeholder for a list item in which an object has a repeated name."""

    field: str


class ItemsJSONParser(StrictJSONParser):
    """A parser for lists that are validated item by item: an item with a repeated name becomes Ambiguous."""

    def parse_text(self, text: str) -> Any:
        repeated: list[Ambiguous] = []

        def item_of(pairs: list[tuple[str, Any]]) -> Any:
            try:
                return object_of(pairs)
            except RepeatedName:
                repeated.append(Ambiguous(_first_repeated(pairs)[:_LONGEST_NAME]))
                return repeated[-1]

        value = strict_json(text, object_pairs_hook=item_of)
        if repeated and not isinstance(value, list):
            raise RepeatedName(field=repeated[0].field)
        return [_ambiguous_in(item) or item for item in value] if repeated else value


def _ambiguous_in(value: Any) -> Ambiguous | None:
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, Ambiguous):
            return part
        pending.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else ())
    return None


@dataclass(frozen=True)
class WrittenNumber:
    """The text of a JSON number with a fraction or an exponent: as floats, 1e2 and 100 are the same."""

    text: str


class MoneyJSONParser(StrictJSONParser):
    """A parser for bodies with amounts: it reads the number 0.07 exactly like the text "0.07"."""

    def parse_text(self, text: str) -> Any:
        return strict_json(text, parse_float=WrittenNumber)


class SpreadsheetLabelParser(MoneyJSONParser):
    """A parser of JSON under the media type of Excel, which the old back-office client sends with its export calls."""

    media_type = "application/vnd.ms-excel"
