"""The codes on the wire and the base of every refusal. Pure Python: every room may import it."""

from enum import IntEnum
from typing import Any, ClassVar


class Code(IntEnum):
    """What `code` in an answer says. The numbers are the customer's."""

    OK = 1200
    OUTSIDE_FAILED = 1101
    UNAUTHENTICATED = 1401
    BAD_REQUEST = 1403
    NOT_FOUND = 1404
    METHOD_NOT_ALLOWED = 1405
    CONFLICT = 1409
    BODY_TOO_LARGE = 1413
    UNSUPPORTED_MEDIA_TYPE = 1415
    TOO_MANY_REQUESTS = 1429
    OUR_FAULT = 1500
    UNAVAILABLE = 1503
    NO_ROBOT_FREE = 1600
    MEMBERS_UNKNOWN = 1601
    MESSAGE_NOT_SENT = 1602
    PHONE_MISSING = 2001
    IDENTITY_CARD_MISSING = 2002
    SENSITIVE_WORD = 2003
    LIMIT_REACHED = 2004
    MINUTE_TAKEN = 2005
    PROFILE_ALREADY_COMPLETED = 2200
    SMS_CODE_WRONG = 2301
    SMS_CODE_EXPIRED = 2302
    PHONE_TAKEN = 2303
    SMS_TOO_OFTEN = 2304
    WECHAT_REFUSED = 2501
    TRANSFER_FAILED = 3001
    BALANCE_TOO_SMALL = 3002
    ALREADY_WITHDREW_TODAY = 3003
    WITHDRAWAL_REFUSED = 3004


def named(sentence: str, field: str) -> str:
    """Return the sentence with the name of the field that it is about: clients show the whole to people as it is."""
    return f"{sentence.rstrip('。')}（{field}）" if field else sentence


class Refusal(Exception):  # noqa: N818 - what callers meet is a refusal, not a fault
    """A rule says no. `code` goes on the wire, `message` says in Chinese what the reader can do.

    `field` is the parameter that it is about; its name follows the sentence.
    """

    code: ClassVar[Code] = Code.BAD_REQUEST
    message: ClassVar[str] = "请求无法完成"
    field: ClassVar[str] = ""

    def __init__(self, message: str | None = None, *, field: str = "", data: Any = None) -> None:
        self.description = named(message or self.message, field or self.field)
        self.data = data
        super().__init__(self.description)


class BadRequest(Refusal):
    """A parameter is missing, mistyped or out of range; the description names it."""

    code = Code.BAD_REQUEST
    message = "请求参数错误"


class NotFound(Refusal):
    """No such thing, or somebody else's: the two look the same."""

    code = Code.NOT_FOUND
    message = "没有找到，请检查编号是否正确"


class NotAllowed(Refusal):
    """The caller is not known, or is known and may not."""

    code = Code.UNAUTHENTICATED
    message = "没有权限，请重新登录后再试"


class Conflict(Refusal):
    """The same call came before, or something else is in its place."""

    code = Code.CONFLICT
    message = "重复或冲突的请求"


class OutsideFailed(Refusal):
    """WeChat, the gateway, SMS or the launch system did not do it; nothing was changed here."""

    code = Code.OUTSIDE_FAILED
    message = "外部服务暂时不可用，请稍后再试"
