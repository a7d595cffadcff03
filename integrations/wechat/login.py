"""The client of WeChat's open platform: sign-in (OAuth2 for web pages), app tokens and JS tickets, text checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from django.conf import settings

from integrations.http import OutcomeUnknown, Refused, ResponseFormat, call_slot, send

SYSTEM = "wechat"
# -1: the system is busy. 45009, 45011: this API was called too often, today or this minute.
BUSY_CODES = frozenset({"-1", "45009", "45011"})
# Some successful answers have no errcode.
_FORMAT = ResponseFormat(
    SYSTEM, code="errcode", done="0", message="errmsg", busy_codes=BUSY_CODES, code_may_be_missing=True
)
_CHECK_FORMAT = ResponseFormat(SYSTEM, code="errcode", done="0", message="errmsg", busy_codes=BUSY_CODES)


@dataclass(frozen=True)
class WeChatProfile:
    """A visitor's profile from `sns/userinfo`, with WeChat's own field names."""

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
    """A secret that expires after `expires_in` seconds."""

    value: str
    expires_in: int


class WeChat:
    """The client of one base URL and several apps (`app_id` → secret)."""

    def __init__(self, base_url: str, apps: Mapping[str, str], timeout: float) -> None:
        self.base_url, self.apps, self.timeout = base_url.rstrip("/"), apps, timeout

    @classmethod
    def from_settings(cls) -> "WeChat":
        return cls(settings.WECHAT_BASE_URL, settings.WECHAT_APPS, settings.WECHAT_TIMEOUT)

    def profile(self, app_id: str, oauth_code: str) -> WeChatProfile:
        """Return the profile of the visitor with this code. Raises Refused for an unknown app, a used or wrong code."""
        if app_id not in self.apps:
            raise Refused(SYSTEM, "40013", "app_id is not configured")
        # The first call uses the code up, so the second one must not fail for lack of a slot.
        with call_slot(SYSTEM):
            return self._profile(app_id, oauth_code)

    def _profile(self, app_id: str, oauth_code: str) -> WeChatProfile:
        token = self._get(
            "/sns/oauth2/access_token",
            appid=app_id,
            secret=self.apps[app_id],
            code=oauth_code,
            grant_type="authorization_code",
        )
        profile = self._get(
            "/sns/userinfo",
            access_token=_text(token, "access_token"),
            openid=_text(token, "openid"),
            lang="zh_CN",
        )
        known = {item.name for item in fields(WeChatProfile)}
        ids = {"openid": _text(profile, "openid"), "unionid": _text(profile, "unionid")}
        return WeChatProfile(**{name: value for name, value in profile.items() if name in known} | ids)

    def stable_token(self, app_id: str) -> str:
        """Return the app's own access token. WeChat returns the same one until it expires."""
        if app_id not in self.apps:
            raise Refused(SYSTEM, "40013", "app_id is not configured")
        body = {"grant_type": "client_credential", "appid": app_id, "secret": self.apps[app_id]}
        url = self.base_url + "/cgi-bin/stable_token"
        response = send(SYSTEM, "POST", url, timeout=self.timeout, json=body)
        return _text(_FORMAT.read_response(response), "access_token")

    def jsapi_ticket(self, token: str) -> Ticket:
        """Return the ticket with which pages are signed for the JS-SDK."""
        answer = self._get("/cgi-bin/ticket/getticket", access_token=token, type="jsapi")
        try:
            return Ticket(_text(answer, "ticket"), int(answer["expires_in"]))
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise OutcomeUnknown(SYSTEM, "no ticket") from error

    def check_text(self, token: str, text: str) -> None:
        """Check a text. Raises Refused with code 87014 when WeChat considers it risky."""
        url = self.base_url + "/wxa/msg_sec_check"
        params, body = {"access_token": token}, {"content": text}
        _CHECK_FORMAT.read_response(send(SYSTEM, "POST", url, timeout=self.timeout, params=params, json=body))

    def _get(self, path: str, **params: str) -> dict[str, Any]:
        response = send(SYSTEM, "GET", self.base_url + path, timeout=self.timeout, params=params)
        return _FORMAT.read_response(response)


def _text(answer: Mapping[str, Any], name: str) -> str:
    """Return a text field of an answer. Raises OutcomeUnknown when it is missing."""
    value = answer.get(name)
    if not value or not isinstance(value, str):
        raise OutcomeUnknown(SYSTEM, f"answer without {name}")
    return value
