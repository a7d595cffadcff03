"""Aliyun customer service: the digests of both directions, and the forwarding of visitors' messages."""

import hashlib
import hmac
import json
import time

from django.conf import settings

from integrations.http import ResponseFormat, send

SYSTEM = "aliyun"
_FORMAT = ResponseFormat(SYSTEM, code="code", done="200", message="message")


def digest_of(raw: bytes, timestamp: str, key: str) -> str:
    """Return the lower-case hex HMAC-SHA1 of the raw body followed by the timestamp."""
    return hmac.new(key.encode(), raw + timestamp.encode(), hashlib.sha1).hexdigest()


def is_signed(raw: bytes, timestamp: str, digest: str) -> bool:
    """Return whether the digest belongs to this body and timestamp (milliseconds)."""
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 15 or not digest.isascii():
        return False
    return hmac.compare_digest(digest_of(raw, timestamp, settings.ALIYUN_CS_KEY), digest)


class CustomerService:
    """The client that forwards visitors' messages to staff."""

    def __init__(self, base_url: str, key: str, timeout: float) -> None:
        self.base_url, self.key, self.timeout = base_url.rstrip("/"), key, timeout

    @classmethod
    def from_settings(cls) -> "CustomerService":
        return cls(settings.ALIYUN_CS_BASE_URL, settings.ALIYUN_CS_KEY, settings.ALIYUN_CS_TIMEOUT)

    def forward(self, *, user_code: str, nickname: str, kind: str, content: str, message_no: str) -> None:
        """Forward one message of a visitor; `kind` is text or image. A repetition has the same `message_no`."""
        timestamp = str(int(time.time() * 1000))
        body = {
            "userId": user_code,
            "nickname": nickname,
            "msgType": kind,
            "content": content,
            "messageNo": message_no,
            "timestamp": int(timestamp),
        }
        raw = json.dumps(body, ensure_ascii=False).encode()
        params = {"timestamp": timestamp, "digest": digest_of(raw, timestamp, self.key)}
        url = f"{self.base_url}/forwardMessage"
        headers = {"Content-Type": "application/json"}
        response = send(SYSTEM, "POST", url, timeout=self.timeout, params=params, data=raw, headers=headers)
        _FORMAT.read_response(response)
