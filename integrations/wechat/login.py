"""WeChat's open platform: who opened our page (OAuth2 for web pages)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from django.conf import settings

from integrations.http import OutcomeUnknown, Refused, ResponseFormat, call_slot, send

SYSTEM = "wechat"
# -1: the system is busy. 45009, 45011: this API was called too often, today or this minute.
BUSY_CODES = frozenset({"-1", "45009", "45011"})
# Some answers bring what was asked for without any errcode.
_WORDING = ResponseFormat(
    SYSTEM, code="errcode", done="0", message="errmsg", later=BUSY_CODES, code_may_be_missing=True
)
_VERDICT = ResponseFormat(SYSTEM, code="errcode", done="0", message="errmsg", later=BUSY_CODES)


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
        with call_slot(
            SYSTEM
        ):  # a code is used up by the first call, so the second one must not be refused for want of one
            return self._profile(app_id, oauth_code)

    def _profile(self, app_id: str, oauth_code: str) -> WeChatProfile:
        token = self._get(
            "/sns/oauth2/access_token",
            appid=app_id,
            secret=self.apps[app_id],
            code=oauth_code,
            grant_type="authorization_code",
        )
        told = self._get(
            "/sns/userinfo",
            access_token=_text(token, "access_token"),
            openid=_text(token, "openid"),
            lang="zh_CN",
        )
        known = {item.name for item in fields(WeChatProfile)}
        ids = {"openid": _text(told, "openid"), "unionid": _text(told, "unionid")}
        return WeChatProfile(**{name: value for name, value in told.items() if name in known} | ids)

    def stable_token(self, app_id: str) -> str:
        """The app's own access token; asking again gives the same one until it ends."""
        if app_id not in self.apps:
            raise Refused(SYSTEM, "40013", "app_id is not configured")
        asked = {"grant_type": "client_credential", "appid": app_id, "secret": self.apps[app_id]}
        url = self.base_url + "/cgi-bin/stable_token"
        response = send(SYSTEM, "POST", url, timeout=self.timeout, json=asked)
        return _text(_WORDING.read_response(response), "access_token")

    def jsapi_ticket(self, token: str) -> Ticket:
        """The ticket that signs pages for the JS-SDK."""
        told = self._get("/cgi-bin/ticket/getticket", access_token=token, type="jsapi")
        try:
            return Ticket(_text(told, "ticket"), int(told["expires_in"]))
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise OutcomeUnknown(SYSTEM, "no ticket") from error

    def check_text(self, token: str, text: str) -> None:
        """Refused 87014: WeChat finds this text risky."""
        url = self.base_url + "/wxa/msg_sec_check"
        params, body = {"access_token": token}, {"content": text}
        _VERDICT.read_response(send(SYSTEM, "POST", url, timeout=self.timeout, params=params, json=body))

    def _get(self, path: str, **params: str) -> dict[str, Any]:
        response = send(SYSTEM, "GET", self.base_url + path, timeout=self.timeout, params=params)
        return _WORDING.read_response(response)


def _text(answer: Mapping[str, Any], name: str) -> str:
    """Return this text of an answer, without which the call was not answered."""
    value = answer.get(name)
    if not value or not isinstance(value, str):
        raise OutcomeUnknown(SYSTEM, f"answer without {name}")
    return value
