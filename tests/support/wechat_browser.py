"""WeChat's browser on a user's phone, with its sign-in and WeChat's page for confirming a transfer."""

from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from django.test import Client

from earnings.models import Payout, Withdrawal

IDENTITY = "union_id"  # the client's own cookie
WECHAT = (
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/116.0 Mobile Safari/537.36 MicroMessenger/8.0.50"
)
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"


class WeChatBrowser:
    """The browser of one person, who signs in with the code of this name."""

    def __init__(self, name: str, *, agent: str = WECHAT) -> None:
        self.name, self.http = name, Client(headers={"User-Agent": agent})

    def get(self, path: str, **query: str) -> Any:
        """Return the response without following a redirect."""
        return self.http.get(path, query)

    def open(self, path: str) -> Any:
        """Return the page of a path, after the sign-in at WeChat."""
        answer = self.get(path)
        while answer.status_code == 302:
            there = answer["Location"]
            if "/connect/oauth2/authorize" in there:
                there = self.sign_in_at(there)
            answer = self.http.get(path_of(there))
        return answer

    def sign_in_at(self, address: str) -> str:
        """Return the address to which WeChat's sign-in page redirects."""
        there, _, _ = address.partition("#")
        return requests.get(f"{there}&login={self.name}", allow_redirects=False, timeout=5).headers["Location"]

    def state(self, withdrawal: Withdrawal, method: str = "get") -> dict[str, Any]:
        """Return the response to the page's script."""
        answer: dict[str, Any] = getattr(self.http, method)(f"/payouts/{withdrawal.pk}/state").json()
        return answer


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def page_of(withdrawal: Withdrawal) -> str:
    return f"/payouts/{withdrawal.pk}/confirm"


def confirm_in_wechat(sandbox: Any, withdrawal: Withdrawal) -> int:
    """Confirm the transfer on WeChat's own page. Returns the HTTP status."""
    package = Payout.objects.get(withdrawal=withdrawal).package_info
    params = {"mchId": "1900000001", "appId": "sandbox", "package": package}
    return requests.post(f"{sandbox.url}/phone/transfer", params=params, timeout=5).status_code


def browser_with_proof(name: str = "alice") -> Client:
    """Return a browser with a WeChat proof and the client's own identity cookie."""
    client = Client()
    assert client.get("/wechat/user_info", {"app_id": "sandbox", "code": name}).json()["code"] == 1200
    client.cookies[IDENTITY] = b64encode(f"union-{name}".encode()).decode()
    return client


def sign_in_with_proof(client: Client, name: str = "alice") -> Any:
    """Sign in to the API with the proof of the browser. Returns the response."""
    return client.post("/auth", {"union_id": f"union-{name}"}, content_type="application/json")
