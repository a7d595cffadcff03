"""Plays Aliyun SMS: verifies the signature, keeps what a phone would show."""

import hmac
import json

from integrations.aliyun.rpc import signature
from integrations.sandbox.server import SandboxRequest, SandboxResponse
from integrations.sandbox.state import State, now


class FakeSms:
    def __init__(self, state: State, secret: str) -> None:
        self.state, self.secret = state, secret

    def owns(self, call: SandboxRequest) -> bool:
        return call.method == "POST" and call.path == "/"

    def __call__(self, call: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(call):
            return None
        form = call.form
        given = form.pop("Signature", "")
        if not hmac.compare_digest(given, signature("POST", form, self.secret)):
            return SandboxResponse({"Code": "SignatureDoesNotMatch", "Message": "签名不匹配"}, 400)
        params = json.loads(form["TemplateParam"])
        words = f"您的验证码是{params['code']},60分钟内有效。" if "code" in params else params["content"]
        with self.state.lock:
            for phone in form["PhoneNumbers"].split(","):
                content = f"【{form['SignName']}】{words}"
                self.state.note("sms", phone=phone, content=content, received_at=now())
        return SandboxResponse({"Code": "OK", "Message": "OK", "RequestId": "sandbox", "BizId": "sandbox"})


class FakeTextModeration:
    """Plays Aliyun's text moderation: text with 违禁 in it is labeled."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def owns(self, call: SandboxRequest) -> bool:
        return call.method == "POST" and call.path == "/" and call.form.get("Action") == "TextModeration"

    def __call__(self, call: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(call):
            return None
        form = call.form
        given = form.pop("Signature", "")
        if not hmac.compare_digest(given, signature("POST", form, self.secret)):
            return SandboxResponse({"Code": 401, "Message": "签名不匹配"})
        is_risky = "违禁" in json.loads(form["ServiceParameters"])["content"]
        return SandboxResponse({"Code": 200, "Data": {"labels": "contraband" if is_risky else "", "reason": ""}})
