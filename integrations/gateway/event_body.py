"""The base of the classes of `integrations.gateway.events`: the parsed body of an event, and its ordering keys."""

from typing import Any, ClassVar, Self

from integrations.gateway.event_fields import FieldSet

# The key in whose order an event is handled, and a second key whose earlier events are handled first. A plain tuple: it is
# made for every event of a POST, and a named one takes as long as the rest of `ordering_keys`.
OrderingKeys = tuple[str, str]
NO_ORDER: OrderingKeys = ("", "")

BY_COMMAND: "dict[str, type[EventBody]]" = {}


class EventBody(FieldSet):
    """The body of an event. A subclass states the command, its meaning, its fields, and how its events are ordered."""

    command: ClassVar[str] = ""
    meaning: ClassVar[str] = ""
    group_field: ClassVar[str] = "group_id"
    depends_on_user: ClassVar[bool] = False  # earlier events of the user are handled before those of the group

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.command:
            BY_COMMAND[cls.command] = cls

    @classmethod
    def parse(cls, payload: Any) -> Self:
        """Return the body that the gateway posted. Raises BadEvent for the first field that cannot be read."""
        return cls.read(payload if isinstance(payload, dict) else {})

    def payload(self) -> Any:
        """Return the body as the gateway posts it."""
        return self.written()

    @classmethod
    def ordering_keys(cls, payload: Any) -> OrderingKeys:
        """Return the keys of a posted body, which may be invalid: of its group, else of its user, else of its robot.

        A list has the keys of its first item that names a group.
        """
        first = next(filter(_names_group, payload), None) if isinstance(payload, list) else payload
        if not isinstance(first, dict):
            return NO_ORDER
        group = _code(first.get(cls.group_field))
        user = _code(first.get("user_id"))
        if group:
            return f"g:{group}", f"u:{user}" if user and cls.depends_on_user else ""
        if user:
            return f"u:{user}", ""
        robot = _code(first.get("robot_id"))
        return (f"r:{robot}", "") if robot else NO_ORDER


def _names_group(item: Any) -> bool:
    return isinstance(item, dict) and bool(_code(item.get("group_id")))


def _code(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()[:128]
    return "" if isinstance(value, bool) or not isinstance(value, int) else str(value)[:128]
