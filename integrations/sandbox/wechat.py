"""A fake of WeChat's platform: any code X belongs to the user X, the code `bad` to nobody."""

from integrations.sandbox.server import SandboxRequest, SandboxResponse

APP_ID = "sandbox"
TICKET = "sandbox-ticket"
PATHS = {
    "/sns/oauth2/access_token",
    "/sns/userinfo",
    "/cgi-bin/stable_token",
    "/cgi-bin/ticket/getticket",
    "/wxa/msg_sec_check",
}


class FakeWeChat:
    def owns(self, request: SandboxRequest) -> bool:
        return request.path in PATHS

    def __call__(self, request: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(request):
            return None
        name = request.path.rsplit("/", 1)[1]
        return SandboxResponse(getattr(self, f"_{name}")(request))

    def _access_token(self, request: SandboxRequest) -> dict[str, object]:
        code = request.query.get("code", "")
        if request.query.get("appid") != APP_ID:
            return {"errcode": 40013, "errmsg": "invalid appid"}
        if code in ("", "bad"):
            return {"errcode": 40029, "errmsg": "invalid code"}
        return {
            "access_token": f"token-{code}",
            "expires_in": 7200,
            "openid": f"open-{code}",
            "unionid": f"union-{code}",
            "scope": "snsapi_userinfo",
        }

    def _userinfo(self, request: SandboxRequest) -> dict[str, object]:
        code = request.query["access_token"].removeprefix("token-")
        return {
            "openid": f"open-{code}",
            "nickname": code,
            "sex": 1,
            "language": "zh_CN",
            "city": "蚌埠",
            "province": "安徽",
            "country": "中国",
            "headimgurl": "http://thirdwx.qlogo.cn/mmopen/sandbox/132",
            "privilege": [],
            "unionid": f"union-{code}",
        }

    def _stable_token(self, request: SandboxRequest) -> dict[str, object]:
        return {"access_token": "sandbox-app-token", "expires_in": 7200}

    def _getticket(self, request: SandboxRequest) -> dict[str, object]:
        return {"errcode": 0, "errmsg": "ok", "ticket": TICKET, "expires_in": 7200}

    def _msg_sec_check(self, request: SandboxRequest) -> dict[str, object]:
        """Answer that text with 违禁 in it is risky."""
        if request.query.get("access_token") != "sandbox-app-token":
            return {"errcode": 40001, "errmsg": "invalid credential"}
        return {"errcode": 87014, "errmsg": "risky"} if "违禁" in request.json["content"] else {"errcode": 0}
