"""The mobile web client in WeChat on a phone: its cookies, its token, its calls and its sign-in."""

import re
import time
from base64 import b64decode, b64encode
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import requests
from django.core import signing

from tests.support.product import Product

APP_ID = "sandbox"
PROOF = "wechat_proof"
IDENTITY = ("union_id", "open_id", "head_url", "nick_name")
TOKEN_REFUSED = (1401, 1406)
BROWSER = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) MicroMessenger/8.0.49"}
Answer = dict[str, Any]


class Phone:
    """The browser of one person. `calls` holds all calls in order."""

    def __init__(self, product: Product, name: str) -> None:
        self.product, self.name = product, name
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers.update(BROWSER)
        self.token: str | None = None
        self.calls: list[str] = []

    # Cookies

    def cookie(self, name: str) -> str | None:
        """Return the value of a client's cookie, which is stored as base64 of the escaped text."""
        found = self.http.cookies.get(name)
        return unquote(b64decode(found).decode()) if found else None

    def keep(self, name: str, text: str | None) -> None:
        escaped = quote("null" if text is None else text)
        self.http.cookies.set(name, b64encode(escaped.encode()).decode(), domain="127.0.0.1", path="/")

    def forget_proof(self) -> None:
        """Delete the proof, as for users of an earlier system."""
        self.http.cookies.pop(PROOF, None)

    def age_proof(self, seconds: float) -> None:
        """Replace the proof by one that is this many seconds old."""
        then = time.time() - seconds
        proof = {
            "union_id": f"union-{self.name}",
            "open_id": f"open-{self.name}",
            "app_id": APP_ID,
            "issued_at": then,
        }
        signer = signing.TimestampSigner(key=self.product.env["SECRET_KEY"], salt="accounts.wechat_proof")
        signer.timestamp = lambda: signing.b62_encode(int(then))  # type: ignore[method-assign]
        self.forget_proof()
        self.http.cookies.set(PROOF, signer.sign_object(proof), domain="127.0.0.1", path="/")

    # Calls

    def call(self, method: str, path: str, body: Any = None, *, again: bool = True) -> Answer:
        """Call the API like the client. A refused token is renewed once by signing in."""
        answer = self.send(method, path, body)
        if answer["code"] in TOKEN_REFUSED and again:
            self.token = None
            self.sign_in()
            answer = self.send(method, path, body)
        return answer

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        """Return the parsed response, which the client reads only with the HTTP status 200."""
        headers = {
            "Authorization": f"Bearer {self.token or 'null'}",
            "Content-Type": "application/json;charset=UTF-8",
        }
        self.calls.append(f"{method} {path.partition('?')[0]}")
        response = self.http.request(method, self.product.url + path, json=body, headers=headers, timeout=20)
        assert response.status_code == 200, (method, path, response.status_code, response.text)
        return dict(response.json())

    # Identity and sign-in

    def open(self, page: str = "/home", **parameters: str) -> str:
        """Open a page: service status, identity, sign-in. Returns the page on which the client ends."""
        assert self.send("GET", "/app/status")["data"]["status"] == 1
        if self.cookie("union_id") in (None, "null"):
            self.ask_wechat()
        if self.call("GET", f"/users/{self.cookie('union_id')}/registered")["data"] is True:
            return page if self.sign_in() == 1200 else "spinner"
        if page == "/adopt":
            return page
        if not parameters.get("userId"):
            return "/adopt"
        return page if self.complete(parameters["userId"]) == 1200 and self.sign_in() == 1200 else "/error"

    def ask_wechat(self) -> None:
        """WeChat's authorization page was passed: the client takes the profile from WeChat and keeps it for 90 days."""
        profile = self.send("GET", f"/wechat/user_info?app_id={APP_ID}&code={self.name}")["data"]
        for name, field in zip(IDENTITY, ("unionid", "openid", "headimgurl", "nickname"), strict=True):
            self.keep(name, profile[field])

    def sign_in(self) -> int:
        """Sign in. Returns the code of the response."""
        answer = self.send("POST", "/auth", {"union_id": self.cookie("union_id")})
        self.token = answer.get("access_token")
        return int(answer["code"])

    def complete(self, key: str) -> int:
        profile = {name: self.cookie(name) for name in IDENTITY} | {"appid": APP_ID}
        return int(self.send("PUT", f"/user/{key}", profile)["code"])

    def refresh(self) -> Answer:
        """Send the call that the client makes after each sign-in."""
        shown = {name: self.cookie(name) for name in IDENTITY if name != "union_id"}
        return self.call("PUT", f"/user/refresh/{self.cookie('union_id')}", shown | {"appid": APP_ID})

    # Messages of robots

    def messages(self) -> list[Answer]:
        """Return the private messages of robots to this person, oldest first."""
        return list(self.product.sandbox("messages", user_id=f"wx-{self.name}")["messages"])

    def follow(self, text: str) -> tuple[str, dict[str, str]]:
        """Open the link in a message. Returns the page of the client and its parameters."""
        link = re.search(r"https?://\S+/s/[\w-]+", text)
        assert link, text
        address = self.http.get(link[0], allow_redirects=False, timeout=20).headers["Location"]
        parts = urlsplit(address)
        assert address.startswith(self.product.env["CLIENT_BASE_URL"]), address
        page = parts.path.removeprefix(urlsplit(self.product.env["CLIENT_BASE_URL"]).path)
        return page, {name: values[0] for name, values in parse_qs(parts.query).items()}
