"""Aliyun SMS (dysmsapi 2017-05-25): signed RPC calls."""

import json
from collections.abc import Mapping

from django.conf import settings

from integrations.aliyun import rpc
from integrations.http import Busy, OutcomeUnknown, OutsideError, Refused, ResponseFormat, send

SYSTEM = "sms"
_FORMAT = ResponseFormat(SYSTEM, code="Code", done="OK", message="Message")
# Aliyun's documented error codes. Throttling, Throttling.User, Throttling.Api …: the account called too often.
_THROTTLED, _THROTTLED_SECONDS = "Throttling", 10
_ACCOUNT_LIMITS = frozenset({"isv.DAY_LIMIT_CONTROL", "isv.MONTH_LIMIT_CONTROL"})  # set by the account's owner
_PHONE_LIMIT = "BUSINESS_LIMIT_CONTROL"  # of one number: 1 code a minute, 5 an hour, 10 a day
_WINDOWS = {"天级": 86_400, "小时级": 3600, "分钟级": 60}  # the names of the windows in Aliyun's message
# Aliyun's advice for these is to call again. The text may have been sent.
_UNKNOWN = frozenset(
    {"isp.SYSTEM_ERROR", "isp.GATEWAY_ERROR", "isp.UNKNOWN", "InternalError", "ServiceUnavailable"}
)
PHONE_PATTERN = r"^1[3-9][0-9]{9}$"  # mainland numbers


class PhoneBusy(Busy):
    """The error of a number that has reached its limit for now. Other numbers have not."""


class AliyunSms:
    """The client of Aliyun SMS, which sends by template: one for codes ({"code"}), one for free text ({"content"})."""

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
        """Send a verification code to one phone."""
        self.send(phone, settings.SMS_CODE_TEMPLATE, {"code": code})

    def send(self, phone: str, template: str, params: Mapping[str, str]) -> None:
        """Send a text to one phone. Raises PhoneBusy or Busy for flow control, else Refused with Aliyun's own code."""
        self._call(
            "SendSms",
            PhoneNumbers=phone,
            SignName=self.sign_name,
            TemplateCode=template,
            TemplateParam=json.dumps(dict(params), ensure_ascii=False),
        )

    def _call(self, action: str, **params: str) -> None:
        signed = rpc.signed_form(action, "2017-05-25", key_id=self.key_id, secret=self.key_secret, **params)
        response = send(SYSTEM, "POST", self.base_url + "/", timeout=self.timeout, data=signed)
        try:
            _FORMAT.read_response(response)
        except Refused as refusal:
            raise _classified(refusal) from refusal


def _classified(refusal: Refused) -> OutsideError:
    """Return the error that Aliyun's code means: PhoneBusy, Busy, OutcomeUnknown, or the refusal itself."""
    code, text = refusal.code, str(refusal).partition(": ")[2]
    if _PHONE_LIMIT in code:
        seconds = next((wait for window, wait in _WINDOWS.items() if window in text), _WINDOWS["分钟级"])
        return PhoneBusy(SYSTEM, text, retry_after=seconds)
    if code.split(".")[0] == _THROTTLED:
        return Busy(SYSTEM, text, retry_after=_THROTTLED_SECONDS)
    if code in _ACCOUNT_LIMITS:
        return Busy(SYSTEM, text, retry_after=_WINDOWS["小时级"])
    return OutcomeUnknown(SYSTEM, text) if code in _UNKNOWN else refusal
