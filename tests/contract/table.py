"""The rows of the contract: method, path, credential, parameters, response, codes, and a good call."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

from tests.contract.types import NOTHING, Shape

if TYPE_CHECKING:
    from tests.contract.objects import Objects

DOCUMENTED = 62
NOBODY = "00000000-0000-0000-0000-000000000000"
Kind = Literal["text", "integer", "boolean", "list", "commas", "object", "money", "moment", "any"]
Where = Literal["path", "query", "body"]
Values = dict[str, Any]
Make = Callable[["Objects"], Values]

# Values of the wrong type for each kind of parameter. Path and query contain text only, so every text is valid there.
_OBJECT, _LIST = {"a": "b"}, ["a", "b"]
MISTYPED: dict[tuple[bool, Kind], tuple[Any, ...]] = {
    (True, "text"): (_OBJECT, _LIST, True, 5),
    (True, "integer"): (_OBJECT, _LIST, True, "x", 1.5, "1"),
    (True, "boolean"): (_OBJECT, _LIST, "x", 1, "true"),
    (True, "list"): (_OBJECT, 5, True, "x", [5]),
    (True, "commas"): (_OBJECT, 5, True, [_OBJECT], [5]),
    (True, "object"): (_LIST, "x", 5),
    (True, "money"): (_OBJECT, _LIST, True, "x", "1.234", "NaN", "1e2", "٢٠", "２０", "+1", "1.", "1_000"),
    (True, "moment"): (_OBJECT, _LIST, True, "x", "2026-13-01", "20261128", "2026-W48-6", "2026-11-28T09:30:00"),
    (True, "any"): (),
    (False, "text"): (),
    (False, "integer"): ("x", "1.5", "١"),
}


@dataclass(frozen=True)
class Param:
    """A parameter. A dotted name is a part of an object or of a list's items: `data.0.star`."""

    name: str
    kind: Kind
    where: Where
    required: bool = True
    longest: int | None = None  # characters, or items of a list
    enum: tuple[Any, ...] = ()
    blank: bool = False  # whether "" is a valid value
    null: bool = False
    alias: str = ""  # another name in the calls of clients
    refers_to: str = ""  # group, owned_group, user, robot, batch, …: an attribute of World, and mallory's
    unknown: int = 1404  # the code for a missing object or an object of another user
    theirs: bool = True  # whether objects of other users are refused

    @property
    def is_json(self) -> bool:
        return self.where == "body"

    @property
    def last(self) -> str:
        """Return the name that a refusal must contain."""
        return next(part for part in reversed(self.name.split(".")) if not part.isdigit())


def path(name: str, **fields: Any) -> Param:
    return Param(name, "text", "path", **fields)


def query(name: str, kind: Kind = "text", **fields: Any) -> Param:
    return Param(name, kind, "query", **fields)


def body(name: str, kind: Kind = "text", **fields: Any) -> Param:
    return Param(name, kind, "body", **fields)


@dataclass(frozen=True)
class Call:
    """The parameters of a request."""

    path: Values
    query: Values
    body: Any

    def __getitem__(self, where: Where) -> Any:
        return getattr(self, where)

    def without(self, param: Param) -> "Call":
        changed = deepcopy(self)
        container, key = _place(changed[param.where], param.name)
        container.pop(key, None)
        return changed

    def having(self, param: Param, value: Any) -> "Call":
        changed = deepcopy(self)
        container, key = _place(changed[param.where], param.name)
        container[key] = value
        return changed

    def value_of(self, param: Param) -> Any:
        container, key = _place(self[param.where], param.name)
        return container[key]


def _place(whole: Any, name: str) -> tuple[Any, Any]:
    *before, last = [int(part) if part.isdigit() else part for part in name.split(".")]
    for part in before:
        whole = whole[part]
    return whole, last


Credential = (
    str  # public, user, user_with_proof, proof, own_proof, signed, service:<scope>, user_or_service:<scope>
)


@dataclass(frozen=True)
class Operation:
    """A row of the contract. `number` is the position in the specification, None when it is missing there."""

    number: int | None
    method: str
    path: str
    credential: Credential
    params: tuple[Param, ...] = ()
    good: Values | Make | None = None  # parameter → value, for a call that answers `code`
    proven: Make | None = None  # the different values in a good call with WeChat's proof
    given: tuple[str, ...] = ()  # objects that must exist although the call does not name them
    answer: Shape = NOTHING
    codes: tuple[int, ...] = ()  # refusals other than those of credentials (1401) and parameters (1403)
    paged: bool = False
    may_ask_all: bool = False
    largest_page: int = 200
    code: int = 1200  # the code of the good call
    shape: Literal["envelope", "token", "redirect", "picture", "workbook"] = "envelope"
    writes: bool | None = None  # whether a blocked user is refused; None: every method except GET
    blocked_code: int = 1401
    or_list: bool = False  # the body may be a list of such objects
    also: tuple[str, ...] = ()  # parameters of another form of the same call, with tests of their own
    finish: Callable[[Call], Call] | None = None  # signs the call
    rules: str = ""  # the file with the tests of its rules

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_write(self) -> bool:
        return self.method != "GET" if self.writes is None else self.writes

    @property
    def scope(self) -> str:
        return self.credential.partition(":")[2]

    @property
    def kind(self) -> str:
        """Return the credential without its scope."""
        return self.credential.partition(":")[0]

    @property
    def all_codes(self) -> set[int]:
        """Return every code that a response with HTTP 200 may carry."""
        taken = any(param.where != "path" for param in self.params) or self.paged
        closed = self.kind != "public"
        return {1200, *self.codes} | ({1403} if taken else set()) | ({1401} if closed else set())

    def good_call(self, objects: "Objects") -> Call:
        for name in self.given:
            getattr(objects, name)
        values = self.good(objects) if callable(self.good) else self.good or {}
        return self.call(deepcopy(values))

    def proven_call(self, objects: "Objects") -> Call:
        """Return a good call with WeChat's proof instead of a key."""
        values = self.good(objects) if callable(self.good) else self.good or {}
        return self.call(deepcopy(values) | (self.proven(objects) if self.proven else {}))

    def call(self, values: Values) -> Call:
        """Return the call with each value in the place of its parameter."""
        where = {param.name.split(".")[0]: param.where for param in self.params}
        parts: dict[str, Values] = {"path": {}, "query": {}, "body": {}}
        for name, value in values.items():
            parts[where[name]][name] = value
        return Call(**parts)

    def of(self, *wheres: Where) -> list[Param]:
        return [param for param in self.params if param.where in wheres]

    def url(self, call: Call) -> str:
        filled = self.path.format(**{name: quote(str(value), safe="") for name, value in call.path.items()})
        return f"{filled}?{urlencode(call.query)}" if call.query else filled


def also_as(operation: Operation, **fields: Any) -> Operation:
    """Return the operation with another method or path."""
    return replace(operation, number=None, **fields)


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


Rows = list[Operation]
