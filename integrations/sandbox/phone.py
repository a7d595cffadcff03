"""A fake of WeChat on a user's phone: the sign-in page, and the JS-SDK of web pages."""

import hashlib
from html import escape
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from integrations.sandbox.server import ANY_ORIGIN, SandboxRequest, SandboxResponse
from integrations.sandbox.state import State
from integrations.sandbox.wechat import APP_ID, TICKET

SIGN_IN = "/connect/oauth2/authorize"
JS_SDK = "/open/js/jweixin-1.6.0.js"
CONFIG = "/phone/config"
MOST_NAMES = 12
_SCRIPT = (Path(__file__).parent / "jweixin.js").read_bytes()
_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>沙箱：微信登录</title>
<style>body {{ font: 16px/1.6 sans-serif; max-width: 420px; margin: 40px auto; padding: 0 20px; }}
button, input {{ font: inherit; padding: 8px 16px; margin: 4px 0; }} button {{ cursor: pointer; }}</style></head>
<body><h1>沙箱：你是谁？</h1><p>真实环境里，这是微信的登录页。</p>
<form>{fields}{names}</form>
<form>{fields}<input name="login" placeholder="其他名字，如 alice" required> <button>登录</button></form>
<p><a href="{refused}">拒绝登录</a></p></body></html>"""


class FakePhone:
    """A fake that signs in any name. The sign-in page offers the receivers of the newest transfers."""

    def __init__(self, state: State) -> None:
        self.state = state

    def owns(self, request: SandboxRequest) -> bool:
        return request.path in (SIGN_IN, JS_SDK, CONFIG)

    def __call__(self, request: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(request):
            return None
        if request.path == JS_SDK:
            return SandboxResponse(_SCRIPT, content_type="text/javascript; charset=utf-8")
        return self._sign_in(request) if request.path == SIGN_IN else self._config(request)

    def _sign_in(self, request: SandboxRequest) -> SandboxResponse:
        """Answer with the sign-in page, or redirect back with the code of `login`."""
        back = request.query.get("redirect_uri", "")
        if request.query.get("appid") != APP_ID or urlsplit(back).scheme not in ("http", "https"):
            return SandboxResponse({"error": "appid must be known and redirect_uri an address"}, 400)
        joint, state = "&" if urlsplit(back).query else "?", {"state": request.query.get("state", "")}
        login = request.query.get("login", "").strip()
        if login:
            return SandboxResponse(b"", 302, {"Location": f"{back}{joint}{urlencode({'code': login} | state)}"})
        page = _PAGE.format(
            fields="".join(
                f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
                for name, value in request.query.items()
                if name != "login"
            ),
            names="".join(f'<button name="login" value="{name}">{name}</button> ' for name in self._names()),
            refused=escape(f"{back}{joint}{urlencode(state)}"),
        )
        return SandboxResponse(page.encode(), content_type="text/html; charset=utf-8")

    def _names(self) -> list[str]:
        """Return the names of the receivers of the newest transfers."""
        with self.state.lock:
            openids = [bill["openid"] for bill in reversed(self.state.bills.values())]
        return [escape(openid.removeprefix("open-")) for openid in dict.fromkeys(openids)][:MOST_NAMES]

    def _config(self, request: SandboxRequest) -> SandboxResponse:
        """Answer whether a page was signed with the JS ticket for its own address."""
        signed = {name: request.query.get(name, "") for name in ("noncestr", "timestamp", "url")}
        line = "&".join(f"{name}={value}" for name, value in [("jsapi_ticket", TICKET), *sorted(signed.items())])
        signature = hashlib.sha1(line.encode()).hexdigest()  # noqa: S324 - WeChat prescribes it
        is_right = (request.query.get("appId"), request.query.get("signature")) == (APP_ID, signature)
        return (
            SandboxResponse({"ok": True}, headers=ANY_ORIGIN)
            if is_right
            else SandboxResponse({"ok": False}, 403, ANY_ORIGIN)
        )
