"""Clients of the public entry points: users and outside systems over HTTP, an operator in the admin."""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

TIMEOUT_SECONDS = 30


class Unexpected(Exception):
    """An unexpected response of an entry point. The message contains the entry point and the response."""


def _session() -> requests.Session:
    """Return a session that retries: connections fail on a busy machine, and every call of the demo is repeatable."""
    session = requests.Session()
    session.trust_env = False
    again = Retry(total=4, allowed_methods=None, backoff_factor=0.5)
    session.mount("http://", HTTPAdapter(max_retries=again))
    session.headers["Connection"] = "close"  # a reused connection may be closed by the server at that moment
    return session


class Caller:
    """An HTTP client with cookies (the WeChat proof), an access token or a service key."""

    def __init__(self, url: str, key: str = "") -> None:
        self.url, self.http = url, _session()
        if key:
            self.http.headers["X-Api-Key"] = key

    def call(
        self, method: str, path: str, body: Any = None, *, expected: Sequence[int] = (1200,), **query: Any
    ) -> Any:
        """Return the parsed response. Raises Unexpected when its code is not in `expected`."""
        answer = self.http.request(method, self.url + path, json=body, params=query, timeout=TIMEOUT_SECONDS).json()
        if "code" in answer and answer["code"] not in expected:
            raise Unexpected(f"{method} {path}: {answer}")
        return answer

    def sign_in(self, union_id: str) -> None:
        token = self.call("POST", "/auth", {"union_id": union_id})["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"


class OperatorClient:
    """An operator in the admin: signs in through its form, runs actions and confirms them."""

    def __init__(self, url: str, username: str, password: str, http: requests.Session | None = None) -> None:
        self.url, self.http = f"{url}/admin", http or _session()
        form = {"username": username, "password": password, "next": "/admin/"}
        page = self.http.get(f"{self.url}/login/", timeout=TIMEOUT_SECONDS).text
        form["csrfmiddlewaretoken"] = _found(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        answer = self.http.post(f"{self.url}/login/", data=form, headers={"Referer": url}, timeout=TIMEOUT_SECONDS)
        if "logout" not in answer.text:
            raise Unexpected("the admin does not let this operator in")

    def page(self, path: str, **query: Any) -> str:
        return self.http.get(f"{self.url}/{path}/", params=query, timeout=TIMEOUT_SECONDS).text

    def rows(self, path: str, **query: Any) -> list[str]:
        """Return the primary keys of the rows that a list shows."""
        return re.findall(r'name="_selected_action" value="([^"]+)"', self.page(path, **query))

    def act(self, path: str, action: str, ids: Sequence[str], **form: str) -> str:
        """Run an action on these rows and confirm it on the confirmation page. Returns the page that follows."""
        address = f"{self.url}/{path}/"
        fields = {
            "action": action,
            "_selected_action": list(ids),
            "csrfmiddlewaretoken": self.http.cookies["csrftoken"],
        }
        headers = {"Referer": address}
        confirmation = self.http.post(address, data=fields, headers=headers, timeout=TIMEOUT_SECONDS)
        if 'name="confirmed"' not in confirmation.text:
            raise Unexpected(f"{path}: {action} asks for no confirmation")
        confirmed = {**fields, **form, "confirmed": "yes"}
        return self.http.post(address, data=confirmed, headers=headers, timeout=TIMEOUT_SECONDS).text


def _found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    if match is None:
        raise Unexpected(f"the page does not have {pattern}")
    return match[1]


def wait_for(condition: Callable[[], Any], description: str, seconds: float = TIMEOUT_SECONDS) -> Any:
    """Wait until the condition is true and return its value. Raises Unexpected with the description."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise Unexpected(f"{description}: not within {seconds:.0f} s")
