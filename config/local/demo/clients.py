"""Who comes through the public doors: clients and outside systems over HTTP, an operator in the admin."""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

SECONDS = 30


class Unexpected(Exception):  # noqa: N818 - somebody answered something else
    """A door answered what it should not have; the message says which and what."""


def _session() -> requests.Session:
    """On a busy machine connections break off: what the demo asks for may be asked again, as all of it may."""
    session = requests.Session()
    session.trust_env = False
    again = Retry(total=4, allowed_methods=None, backoff_factor=0.5)
    session.mount("http://", HTTPAdapter(max_retries=again))
    session.headers["Connection"] = "close"  # none is reused just when the server ends it
    return session


class Caller:
    """One client: keeps cookies (the WeChat proof), an access token, a service key."""

    def __init__(self, url: str, key: str = "") -> None:
        self.url, self.http = url, _session()
        if key:
            self.http.headers["X-Api-Key"] = key

    def call(self, method: str, path: str, body: Any = None, *, may: Sequence[int] = (1200,), **query: Any) -> Any:
        """The parsed answer; Unexpected when its code is none of `may`."""
        answer = self.http.request(method, self.url + path, json=body, params=query, timeout=SECONDS).json()
        if "code" in answer and answer["code"] not in may:
            raise Unexpected(f"{method} {path}: {answer}")
        return answer

    def sign_in(self, union_id: str) -> None:
        token = self.call("POST", "/auth", {"union_id": union_id})["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"


class Operator:
    """A person in the admin: signs in through its form, uses its actions, confirms them."""

    def __init__(self, url: str, username: str, password: str, http: requests.Session | None = None) -> None:
        self.url, self.http = f"{url}/admin", http or _session()
        form = {"username": username, "password": password, "next": "/admin/"}
        page = self.http.get(f"{self.url}/login/", timeout=SECONDS).text
        form["csrfmiddlewaretoken"] = _found(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        answer = self.http.post(f"{self.url}/login/", data=form, headers={"Referer": url}, timeout=SECONDS)
        if "logout" not in answer.text:
            raise Unexpected("the admin does not let this operator in")

    def page(self, where: str, **query: Any) -> str:
        return self.http.get(f"{self.url}/{where}/", params=query, timeout=SECONDS).text

    def rows(self, where: str, **query: Any) -> list[str]:
        """Primary keys of the rows that a list shows."""
        return re.findall(r'name="_selected_action" value="([^"]+)"', self.page(where, **query))

    def act(self, where: str, action: str, ids: Sequence[str], **form: str) -> str:
        """Choose rows and an action, confirm it on the page that asks; the page that follows."""
        address = f"{self.url}/{where}/"
        fields = {
            "action": action,
            "_selected_action": list(ids),
            "csrfmiddlewaretoken": self.http.cookies["csrftoken"],
        }
        headers = {"Referer": address}
        asked = self.http.post(address, data=fields, headers=headers, timeout=SECONDS)
        if 'name="confirmed"' not in asked.text:
            raise Unexpected(f"{where}: {action} asks for no confirmation")
        said = {**fields, **form, "confirmed": "yes"}
        return self.http.post(address, data=said, headers=headers, timeout=SECONDS).text


def _found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    if match is None:
        raise Unexpected(f"the page does not have {pattern}")
    return match[1]


def wait_for(true: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Wait until it is true and answer with it; Unexpected says what never came."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.05)
    raise Unexpected(f"{what}: not within {seconds:.0f} s")
