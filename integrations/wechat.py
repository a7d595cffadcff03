"""WeChat's open platform: who opened our page (OAuth2 for web pages)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import requests
from django.conf import settings

from integrations.http import OutcomeUnknown, Refused, json_of, send

SYSTEM = "wechat"
BUSY = -1  # WeChat's word for "try again later"


@dataclass(frozen=True)
class WeChatProfile:
    """What `sns/userinfo` says about a visitor, in WeChat's own words."""

    openid: str
    unionid: str
    nickname: str = ""
    sex: int = 0
    language: str = ""
    city: str = ""
    province: str = ""
    country: str = ""
    headimgurl: str = ""
    privilege: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ticket:
    """A secret of limited life, in seconds."""

    value: str
    expires_in: int


class WeChat:
    """One base URL, several apps side by side (`app_id` → secret)."""

    def __init__(self, base_url: str, apps: Mapping[str, str], timeout: float) -> None:
        self.base_url, self.apps, self.timeout = base_url.rstrip("/"), apps, timeout

    @classmethod
    def from_settings(cls) -> "WeChat":
        return cls(settings.WECHAT_BASE_URL, settings.WECHAT_APPS, settings.WECHAT_TIMEOUT)

    def profile(self, app_id: str, oauth_code: str) -> WeChatProfile:
        """Who came back from WeChat's page with this code. Refused: unknown app, used or wrong code."""
        if app_id not in self.apps:
            raise Refused(SYSTEM, "40013", "app_id is not configured")
        token = self._get(
            "/sns/oauth2/access_token",
            appid=app_id,
            secret=self.apps[app_id],
            code=oauth_code,
            grant_type="authorization_code",
        )
        told = self._get(
            "/sns/userinfo",
            access_token=token.get("access_token", ""),
            openid=token.get("openid", ""),
            lang="zh_CN",
        )
        known = {item.name for item in fields(WeChatProfile)}
        try:
            return WeChatProfile(**{name: value for name, value in told.items() if name in known})
        except TypeError as error:
            raise OutcomeUnknown(SYSTEM, "userinfo without openid or unionid") from error

    def stable_token(self, app_id: str) -> str:
        """The app's own access token; asking again gives the same one until it ends."""
        if app_id not in self.apps:
            raise Refused(SYSTEM, "40013", "app_id is not configured")
        asked = {"grant_type": "client_credential", "appid": app_id, "secret": self.apps[app_id]}
        url = self.base_url + "/cgi-bin/stable_token"
        return str(self._told(send(SYSTEM, "POST", url, timeout=self.timeout, json=asked)).get("access_token", ""))

    def jsapi_ticket(self, token: str) -> Ticket:
        """The ticket that signs pages for the JS-SDK."""
        told = self._get("/cgi-bin/ticket/getticket", access_token=token, type="jsapi")
        try:
            return Ticket(str(told["ticket"]), int(told["expires_in"]))
        except (KeyError, ValueError) as error:
            raise OutcomeUnknown(SYSTEM, "no ticket") from error

    def check_text(self, token: str, text: str) -> None:
        """Refused 87014: WeChat finds this text risky."""
        url = self.base_url + "/wxa/msg_sec_check"
        self._told(
            send(SYSTEM, "POST", url, timeout=self.timeout, params={"access_token": token}, json={"content": text})
        )

    def _get(self, path: str, **params: str) -> dict[str, Any]:
        return self._told(send(SYSTEM, "GET", self.base_url + path, timeout=self.timeout, params=params))

    @staticmethod
    def _told(response: requests.Response) -> dict[str, Any]:
        answer = json_of(SYSTEM, response)
        if not isinstance(answer, dict):
            raise OutcomeUnknown(SYSTEM, "not an object")
        if answer.get("errcode") == BUSY:
            raise OutcomeUnknown(SYSTEM, "busy")
        if answer.get("errcode"):
            raise Refused(SYSTEM, str(answer["errcode"]), str(answer.get("errmsg", "")))
        return answer
