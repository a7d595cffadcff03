"""Aliyun SMS (dysmsapi 2017-05-25): signed RPC calls."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from django.conf import settings

from integrations.http import OutcomeUnknown, Refused, json_of, send

SYSTEM = "sms"
PHONE_PATTERN = r"^1[3-9][0-9]{9}$"  # mainland numbers


def signature(method: str, params: Mapping[str, str], secret: str) -> str:
    """Aliyun's RPC signature: HMAC-SHA1 over the sorted, percent-encoded parameters."""
    query = "&".join(f"{quote(key, safe='~')}={quote(params[key], safe='~')}" for key in sorted(params))
    words = f"{method}&%2F&{quote(query, safe='~')}"
    return base64.b64encode(hmac.new(f"{secret}&".encode(), words.encode(), hashlib.sha1).digest()).decode()


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
        signed = {
            "Action": action,
            "Version": "2017-05-25",
            "Format": "JSON",
            "RegionId": "cn-hangzhou",
            "AccessKeyId": self.key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": uuid.uuid4().hex,
            "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **params,
        }
        signed["Signature"] = signature("POST", signed, self.key_secret)
        answer = json_of(SYSTEM, send(SYSTEM, "POST", self.base_url + "/", timeout=self.timeout, data=signed))
        if not isinstance(answer, dict) or "Code" not in answer:
            raise OutcomeUnknown(SYSTEM, "answer without a code")
        if answer["Code"] != "OK":
            raise Refused(SYSTEM, str(answer["Code"]), str(answer.get("Message", "")))
