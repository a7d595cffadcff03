"""Aliyun SMS (dysmsapi 2017-05-25): signed RPC calls."""

import json
from collections.abc import Mapping

from django.conf import settings

from integrations.aliyun import rpc
from integrations.http import Busy, OutcomeUnknown, OutsideError, Refused, ResponseFormat, send

SYSTEM = "sms"
_WORDING = ResponseFormat(SYSTEM, code="Code", done="OK", message="Message")
# What Aliyun documents of its codes. Throttling, Throttling.User, Throttling.Api …: the account called too often.
_THROTTLED, _THROTTLED_SECONDS = "Throttling", 10
_ACCOUNT_LIMITS = frozenset({"isv.DAY_LIMIT_CONTROL", "isv.MONTH_LIMIT_CONTROL"})  # set by the account's owner
_PHONE_LIMIT = "BUSINESS_LIMIT_CONTROL"  # of one number: 1 code a minute, 5 an hour, 10 a day
_WINDOWS = {"天级": 86_400, "小时级": 3600, "分钟级": 60}  # as its message names them
# "Call again": it does not say that the text was not handed on.
_UNKNOWN = frozenset(
    {"isp.SYSTEM_ERROR", "isp.GATEWAY_ERROR", "isp.UNKNOWN", "InternalError", "ServiceUnavailable"}
)
PHONE_PATTERN = r"^1[3-9][0-9]{9}$"  # mainland numbers


class PhoneBusy(Busy):
    """This number gets no more texts for now; other numbers do."""


class AliyunSms:
    """Sends by template: one for codes ({"code"}), one for free words ({"content"})."""

    def __init__(self, base_url: str, key_id: str, key_secret: str, *, sign_name: str, timeout: float) -> None:
        self.base_url, self.key_id, self.key_secret = base_url.rstrip("/"), key_id, key_secret
        self.sign_name, self.timeout = sign_name, timeout

    @classmethod
    def from_settings(cls) -> "AliyunSms":
        return cls(
            settings.SMS_BASE_URL,
            settings.SMS_ACCESS_KEY_ID,
            settings.SMS_ACCESS_KEY_SECRET,
            sign_name=settings.SMS_SIGN_NAME,
            timeout=settings.SMS_TIMEOUT,
        )

    def send_code(self, phone: str, code: str) -> None:
        """Text a verification code to one phone."""
        self.send(phone, settings.SMS_CODE_TEMPLATE, {"code": code})

    def send(self, phone: str, template: str, params: Mapping[str, str]) -> None:
        """Text one phone. Raises PhoneBusy or Later for flow control, Refused with Aliyun's own code for the rest."""
        self._call(
            "SendSms",
            PhoneNumbers=phone,
            SignName=self.sign_name,
            TemplateCode=template,
            TemplateParam=json.dumps(dict(params), ensure_ascii=False),
        )

    def _call(self, action: str, **params: str) -> None:
        signed = rpc.signed(action, "2017-05-25", key_id=self.key_id, secret=self.key_secret, **params)
        response = send(SYSTEM, "POST", self.base_url + "/", timeout=self.timeout, data=signed)
        try:
            _WORDING.read_response(response)
        except Refused as refusal:
            raise _meaning(refusal) from refusal


def _meaning(refusal: Refused) -> OutsideError:
    """Return what a code of Aliyun's says of the text: not now, nobody knows, or no."""
    code, said = refusal.code, str(refusal).partition(": ")[2]
    if _PHONE_LIMIT in code:
        seconds = next((wait for window, wait in _WINDOWS.items() if window in said), _WINDOWS["分钟级"])
        return PhoneBusy(SYSTEM, said, retry_after=seconds)
    if code.split(".")[0] == _THROTTLED:
        return Busy(SYSTEM, said, retry_after=_THROTTLED_SECONDS)
    if code in _ACCOUNT_LIMITS:
        return Busy(SYSTEM, said, retry_after=_WINDOWS["小时级"])
    return OutcomeUnknown(SYSTEM, said) if code in _UNKNOWN else refusal
