"""The codes of the API and the base class of every refusal. Pure Python: every package may import it."""

from enum import IntEnum
from typing import Any, ClassVar


class Code(IntEnum):
    """The values of `code` in a response. The numbers are given by the customer's specification."""

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


def with_field_name(sentence: str, field: str) -> str:
    """Return the sentence followed by the name of its field. Clients show the result to people unchanged."""
    return f"{sentence.rstrip('。')}（{field}）" if field else sentence


class Refusal(Exception):
    """A call refused by a rule: `code` for the client, `message` in Chinese with what the reader can do.
    `field` is the parameter that caused the refusal; its name follows the sentence.
    """

    code: ClassVar[Code] = Code.BAD_REQUEST
    message: ClassVar[str] = "请求无法完成"
    field: ClassVar[str] = ""

    def __init__(self, message: str | None = None, *, field: str = "", data: Any = None) -> None:
        self.description = with_field_name(message or self.message, field or self.field)
        self.data = data
        super().__init__(self.description)


class BadRequest(Refusal):
    """A parameter that is missing, mistyped or out of range. The description names it."""

    code = Code.BAD_REQUEST
    message = "请求参数错误"


class NotFound(Refusal):
    """An object that does not exist or belongs to another user; both cases look the same to the caller."""

    code = Code.NOT_FOUND
    message = "没有找到，请检查编号是否正确"


class NotAllowed(Refusal):
    """A caller that is not authenticated, or is authenticated without the permission."""

    code = Code.UNAUTHENTICATED
    message = "没有权限，请重新登录后再试"


class SignedOut(NotAllowed):
    """A caller whose token or key is valid no longer."""

    message = "未登录或登录已失效，请重新登录"


class Conflict(Refusal):
    """A repeated call, or a call that contradicts the present state."""

    code = Code.CONFLICT
    message = "重复或冲突的请求"


class OutsideFailed(Refusal):
    """A failed call to WeChat, the gateway, SMS or the launch system. Nothing was changed in the database."""

    code = Code.OUTSIDE_FAILED
    message = "外部服务暂时不可用，请稍后再试"
