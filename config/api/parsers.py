"""Reading bodies: JSON only. `config.api.bodies` bounds them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from config.errors import BadRequest

_LONGEST_NAME = 64  # of a field, in a refusal


class RepeatedName(BadRequest):
    """An object has a name twice; which of its values is meant cannot be known."""

    message = "请求内容里有重复的字段"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these names and values. Raises RepeatedName."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RepeatedName(field=_first_repeated(pairs)[:_LONGEST_NAME])
    return found


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    return next(name for name, _value in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def strict_json(text: str, **hooks: Any) -> Any:
    """Parse JSON without NaN and with each name once in an object; `hooks` are those of `json.loads`.

    Raises ValueError and RepeatedName.
    """
    return json.loads(text, parse_constant=_refuse_constant, **{"object_pairs_hook": object_of} | hooks)


class StrictJSONParser(JSONParser):
    """JSON as the standard says it (no NaN), each name once, not nested beyond reason. A byte order mark is skipped."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            text = stream.read().decode("utf-8-sig")
            return self.read(text) if text.strip() else {}
        except (ValueError, RecursionError) as error:
            raise ParseError("请求内容不是合法的 JSON") from error

    def read(self, text: str) -> Any:
        return strict_json(text)


@dataclass(frozen=True)
class Ambiguous:
    """Stands for an item of a list in which an object has a name twice."""

    field: str


class ItemsJSONParser(StrictJSONParser):
    """For lists that are taken item by item: an item in which a name is repeated becomes Ambiguous, the others stay."""

    def read(self, text: str) -> Any:
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
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, Ambiguous):
            return one
        left.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
    return None


@dataclass(frozen=True)
class WrittenNumber:
    """A number of JSON with a fraction or an exponent, as it is written: a float does not know 1e2 from 100."""

    text: str


class MoneyJSONParser(StrictJSONParser):
    """For bodies with amounts: the number 0.07 is what the text "0.07" is."""

    def read(self, text: str) -> Any:
        return strict_json(text, parse_float=WrittenNumber)


class SpreadsheetLabelParser(MoneyJSONParser):
    """JSON labelled as the spreadsheet that is asked for: the old back-office client labels its export calls so."""

    media_type = "application/vnd.ms-excel"
