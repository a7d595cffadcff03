"""Aliyun's RPC calls: their common parameters and the signature."""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote


def signature(method: str, params: Mapping[str, str], secret: str) -> str:
    """Return the base64 HMAC-SHA1 of the sorted, percent-encoded parameters."""
    query = "&".join(f"{quote(key, safe='~')}={quote(params[key], safe='~')}" for key in sorted(params))
    text = f"{method}&%2F&{quote(query, safe='~')}"
    return base64.b64encode(hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()).decode()


def signed_form(action: str, version: str, *, key_id: str, secret: str, **params: str) -> dict[str, str]:
    """Return the signed form of one POST."""
    form = {
        "Action": action,
        "Version": version,
        "Format": "JSON",
        "RegionId": "cn-hangzhou",
        "AccessKeyId": key_id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **params,
    }
    return form | {"Signature": signature("POST", form, secret)}
