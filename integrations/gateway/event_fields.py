"""The kinds of fields that events have. A field is read from a payload, written to one, and described by a JSON schema.

A strict kind raises BadEvent for a value that it cannot read. A lenient kind returns an empty value instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from config.platform.languages import in_product_language
from integrations.gateway import payloads

Payload = Mapping[str, Any]
Schema = dict[str, Any]
# WeChat was released in 2011.
_MOMENT = r"^20(1[1-9]|[2-9]\d)-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$"


@dataclass(frozen=True)
class Field:
    """A field named `name` in the payload. `meaning` and `example` are shown in the schema and in docs/events.md."""

    name: str
    meaning: str
    example: Any
    _: KW_ONLY
    required: bool = False
    is_strict: ClassVar[bool] = False

    def names(self) -> frozenset[str]:
        return frozenset({self.name})

    def read(self, payload: Payload) -> Any:
        """Return the typed value of this field of the payload. Raises BadEvent."""
        raise NotImplementedError

    def write(self, value: Any) -> dict[str, Any]:
        """Return the part of a payload from which `read` reads the value."""
        return {self.name: value}

    def properties(self) -> dict[str, Schema]:
        """Return the JSON schemas of this field by its names in the payload."""
        return {self.name: {**self.value_schema(), "description": self.meaning}}

    def value_schema(self) -> Schema:
        raise NotImplementedError

    def examples(self) -> dict[str, Any]:
        return {self.name: self.example}


@dataclass(frozen=True)
class Text(Field):
    """A text that must be right, such as a code. It is read strictly, as `payloads.text_field` does."""

    is_strict: ClassVar[bool] = True
    required: bool = True
    max_length: int = 128

    def read(self, payload: Payload) -> str:
        return payloads.text_field(payload, self.name, required=self.required, max_length=self.max_length)

    def value_schema(self) -> Schema:
        visible = {"pattern": r"\S"} if self.required else {}
        return {"type": "string", **visible, "maxLength": self.max_length}


@dataclass(frozen=True)
class Moment(Field):
    """A time in Shanghai, in whole seconds, or None without one. Read strictly; `Event.moment` limits it."""

    is_strict: ClassVar[bool] = True

    def read(self, payload: Payload) -> datetime | None:
        return payloads.moment_in(payload, self.name)

    def write(self, value: datetime | None) -> dict[str, Any]:
        return {} if value is None else {self.name: payloads.written_moment(value)}

    def value_schema(self) -> Schema:
        return {"type": "string", "pattern": _MOMENT}


@dataclass(frozen=True)
class Count(Field):
    """A number of people, or None without one. Read strictly; digits in a text are a number."""

    is_strict: ClassVar[bool] = True

    def read(self, payload: Payload) -> int | None:
        return payloads.count_in(payload, self.name)

    def write(self, value: int | None) -> dict[str, Any]:
        return {} if value is None else {self.name: value}

    def value_schema(self) -> Schema:
        return {"type": "integer", "minimum": 0, "maximum": payloads.MAX_COUNT}


@dataclass(frozen=True)
class Shown(Field):
    """A text that is only displayed. Read leniently: it is cut to `max_length`."""

    max_length: int = 128

    def read(self, payload: Payload) -> str:
        return payloads.display_text(payload, self.name, max_length=self.max_length)

    def value_schema(self) -> Schema:
        return {"type": "string"}


@dataclass(frozen=True)
class Address(Field):
    """The address of a picture. Read leniently: one that is too long to store is left out."""

    def read(self, payload: Payload) -> str:
        return payloads.address_in(payload, self.name)

    def value_schema(self) -> Schema:
        return {"type": "string"}


@dataclass(frozen=True)
class GatewayCode(Field):
    """A code that may be missing. Read leniently: a value that cannot be a code is left out."""

    def read(self, payload: Payload) -> str:
        return payloads.code_in(payload, self.name)

    def value_schema(self) -> Schema:
        return {"type": "string", "maxLength": payloads.MAX_CODE_LENGTH}


@dataclass(frozen=True)
class GatewayCodes(Field):
    """A list of codes. Read leniently, without the items that cannot be codes."""

    def read(self, payload: Payload) -> tuple[str, ...]:
        return tuple(payloads.codes_in(payload.get(self.name)))

    def write(self, value: tuple[str, ...]) -> dict[str, Any]:
        return {self.name: list(value)}

    def value_schema(self) -> Schema:
        return {"type": "array", "items": {"type": "string"}}


@dataclass(frozen=True)
class Flag(Field):
    """A claim that is true or false. Read leniently: anything but true, 1 and "1" is false."""

    def read(self, payload: Payload) -> bool:
        return payloads.is_true(payload.get(self.name))

    def value_schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Rows(Field):
    """A list of objects, or None when the value is no list. Read leniently, without the items that are no objects."""

    _: KW_ONLY
    of: "type[FieldSet]"

    def read(self, payload: Payload) -> "tuple[Any, ...] | None":
        rows = payload.get(self.name)
        if not isinstance(rows, list):
            return None
        return tuple(self.of.read(row) for row in rows if isinstance(row, dict))

    def write(self, value: "tuple[FieldSet, ...] | None") -> dict[str, Any]:
        return {} if value is None else {self.name: [row.written() for row in value]}

    def value_schema(self) -> Schema:
        return {"type": "array", "items": self.of.schema()}


@dataclass(frozen=True)
class Parts(Field):
    """The parts of a chat message, which are fields of the payload itself. Read leniently by `payloads.parts_of`."""

    def names(self) -> frozenset[str]:
        return frozenset(self.example)

    def read(self, payload: Payload) -> payloads.MessageParts:
        return payloads.parts_of(payload)

    def write(self, value: payloads.MessageParts) -> dict[str, Any]:
        return {name: part for name, part in value.items() if part is not None}

    def properties(self) -> dict[str, Schema]:
        return {
            name: {
                "type": "integer" if isinstance(value, int) else "string",
                "description": PART_MEANINGS[name].format(types=_message_types()),
            }
            for name, value in self.example.items()
        }

    def examples(self) -> dict[str, Any]:
        return dict(self.example)


def _message_types() -> str:
    return "，".join(f"{kind.value} {in_product_language(kind.label)}" for kind in payloads.MessageType)


PART_MEANINGS = {
    "type": "消息类型：{types}",
    "content": "文字；图片的地址；小程序或名片的 XML",
    "title": "链接或小程序的标题",
    "desc": "链接的摘要",
    "url": "链接或图片的地址",
    "voice_time": "语音的秒数",
}


class FieldSet:
    """An object whose attributes are fields of a payload: each is annotated as `Annotated[<type>, <kind of field>]`."""

    fields: ClassVar[Mapping[str, Field]] = {}
    names: ClassVar[frozenset[str]] = frozenset()
    _readers: ClassVar[tuple[tuple[str, Callable[[Payload], Any]], ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        hints = cls.__annotations__.items()
        cls.fields = {name: hint.__metadata__[0] for name, hint in hints if hasattr(hint, "__metadata__")}
        cls.names = cls.known_names()
        cls._readers = tuple((name, field.read) for name, field in cls.fields.items())

    @classmethod
    def known_names(cls) -> frozenset[str]:
        """Return the names of all fields in the payload."""
        return frozenset().union(*(field.names() for field in cls.fields.values()))

    @classmethod
    def read(cls, payload: Payload) -> Self:
        """Read all fields, in the order of their declaration. Raises BadEvent for the first that cannot be read."""
        return cls(**{name: read(payload) for name, read in cls._readers})

    def written(self) -> Any:
        """Return the payload with these fields, as the gateway posts it."""
        parts = (field.write(getattr(self, name)) for name, field in self.fields.items())
        return {name: value for part in parts for name, value in part.items()}

    @classmethod
    def schema(cls) -> Schema:
        """Return the JSON schema of the payload."""
        return {
            "type": "object",
            "properties": {k: v for field in cls.fields.values() for k, v in field.properties().items()},
            "required": [field.name for field in cls.fields.values() if field.required],
        }

    @classmethod
    def example(cls) -> Any:
        """Return a plausible payload."""
        return {k: v for field in cls.fields.values() for k, v in field.examples().items()}
