"""Aliyun SMS (dysmsapi 2017-05-25): signed RPC calls."""

import json
from collections.abc import Mapping

from django.conf import settings

from integrations import aliyun
from integrations.http import Wording, send

SYSTEM = "sms"
_WORDING = Wording(SYSTEM, code="Code", done="OK", message="Message")
PHONE_PATTERN = r"^1[3-9][0-9]{9}$"  # mainland numbers


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
        """Text one phone. Refused: Aliyun's own code, such as isv.BUSINESS_LIMIT_CONTROL."""
        self._call(
            "SendSms",
            PhoneNumbers=phone,
            SignName=self.sign_name,
            TemplateCode=template,
            TemplateParam=json.dumps(dict(params), ensure_ascii=False),
        )

    def _call(self, action: str, **params: str) -> None:
        signed = aliyun.signed(action, "2017-05-25", key_id=self.key_id, secret=self.key_secret, **params)
        _WORDING.read_response(send(SYSTEM, "POST", self.base_url + "/", timeout=self.timeout, data=signed))
