"""Aliyun customer service: digests in both directions, and passing on what a visitor says."""

import hashlib
import hmac
import json
import time

from django.conf import settings

from integrations.http import ResponseFormat, send

SYSTEM = "aliyun"
_WORDING = ResponseFormat(SYSTEM, code="code", done="200", message="message")


def digest_of(raw: bytes, timestamp: str, key: str) -> str:
    """Lower-case hex HMAC-SHA1 of the raw body and the timestamp behind it."""
    return hmac.new(key.encode(), raw + timestamp.encode(), hashlib.sha1).hexdigest()


def is_signed(raw: bytes, timestamp: str, digest: str) -> bool:
    """Whether customer service made this digest. `timestamp`: milliseconds."""
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 15 or not digest.isascii():
        return False
    return hmac.compare_digest(digest_of(raw, timestamp, settings.ALIYUN_CS_KEY), digest)


class CustomerService:
    """Takes what visitors say to staff."""

    def __init__(self, base_url: str, key: str, timeout: float) -> None:
        self.base_url, self.key, self.timeout = base_url.rstrip("/"), key, timeout

    @classmethod
    def from_settings(cls) -> "CustomerService":
        return cls(settings.ALIYUN_CS_BASE_URL, settings.ALIYUN_CS_KEY, settings.ALIYUN_CS_TIMEOUT)

    def forward(self, *, user_code: str, nickname: str, kind: str, content: str, message_no: str) -> None:
        """Pass on one message of a visitor; `kind` is text or image. The number tells a repetition."""
        timestamp = str(int(time.time() * 1000))
        told = {
            "userId": user_code,
            "nickname": nickname,
            "msgType": kind,
            "content": content,
            "messageNo": message_no,
            "timestamp": int(timestamp),
        }
        raw = json.dumps(told, ensure_ascii=False).encode()
        params = {"timestamp": timestamp, "digest": digest_of(raw, timestamp, self.key)}
        url = f"{self.base_url}/forwardMessage"
        headers = {"Content-Type": "application/json"}
        response = send(SYSTEM, "POST", url, timeout=self.timeout, params=params, data=raw, headers=headers)
        _WORDING.read_response(response)
