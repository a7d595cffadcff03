"""Fakes of Aliyun SMS, which stores the texts as a phone shows them, and of Aliyun's text moderation."""

import hmac
import json

from integrations.aliyun.rpc import signature
from integrations.sandbox.server import SandboxRequest, SandboxResponse
from integrations.sandbox.state import State, now


class FakeSms:
    def __init__(self, state: State, secret: str) -> None:
        self.state, self.secret = state, secret

    def owns(self, request: SandboxRequest) -> bool:
        return request.method == "POST" and request.path == "/"

    def __call__(self, request: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(request):
            return None
        form = request.form
        given = form.pop("Signature", "")
        if not hmac.compare_digest(given, signature("POST", form, self.secret)):
            return SandboxResponse({"Code": "SignatureDoesNotMatch", "Message": "签名不匹配"}, 400)
        params = json.loads(form["TemplateParam"])
        text = f"您的验证码是{params['code']},60分钟内有效。" if "code" in params else params["content"]
        with self.state.lock:
            for phone in form["PhoneNumbers"].split(","):
                content = f"【{form['SignName']}】{text}"
                self.state.note("sms", phone=phone, content=content, received_at=now())
        return SandboxResponse({"Code": "OK", "Message": "OK", "RequestId": "sandbox", "BizId": "sandbox"})


class FakeTextModeration:
    """A fake of Aliyun's text moderation, which labels text with 违禁 in it."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def owns(self, request: SandboxRequest) -> bool:
        return request.method == "POST" and request.path == "/" and request.form.get("Action") == "TextModeration"

    def __call__(self, request: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(request):
            return None
        form = request.form
        given = form.pop("Signature", "")
        if not hmac.compare_digest(given, signature("POST", form, self.secret)):
            return SandboxResponse({"Code": 401, "Message": "签名不匹配"})
        is_risky = "违禁" in json.loads(form["ServiceParameters"])["content"]
        return SandboxResponse({"Code": 200, "Data": {"labels": "contraband" if is_risky else "", "reason": ""}})
