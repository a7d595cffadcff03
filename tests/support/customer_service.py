"""Callbacks of the customer-service system, signed as it signs them."""

import json
from typing import Any

from django.test import Client
from django.utils import timezone

from integrations.aliyun.customer_service import digest_of


def signed_callback(
    body: Any, *, age: float = 0, key: str = "sandbox-cs-key", raw: bytes | None = None
) -> tuple[bytes, str]:
    raw = raw if raw is not None else json.dumps(body).encode()
    stamp = str(int((timezone.now().timestamp() - age) * 1000))
    return raw, f"/aliyun/callback?timestamp={stamp}&digest={digest_of(raw, stamp, key)}"


def post_callback(raw: bytes, path: str) -> int:
    return Client().post(path, data=raw, content_type="application/json").json()["code"]


def call_back(content: str = "你好", *, kind: str = "text", user: str = "wx-alice", **options: Any) -> int:
    return post_callback(*signed_callback({"userId": user, "msgType": kind, "content": content}, **options))
