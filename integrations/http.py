"""Calling outside systems: one pooled session a thread, timeouts, and three ways to fail."""

import threading
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

_local = threading.local()


def keepable(text: str) -> str:
    """What PostgreSQL can keep of a text: no NUL characters, no lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class OutsideError(Exception):
    """A call to an outside system did not end well. Never carries secrets or what was sent; can be written down."""

    def __init__(self, system: str, message: str) -> None:
        self.system = system
        super().__init__(keepable(f"{system}: {message}"[:300]))


class Refused(OutsideError):
    """The other side answered, and the answer is no. `code` is its own word for why."""

    def __init__(self, system: str, code: str, message: str = "") -> None:
        self.code = keepable(code)
        super().__init__(system, f"{code} {message}".strip())


class Unavailable(OutsideError):
    """The call was certainly not done: there was no connection."""


class OutcomeUnknown(OutsideError):
    """The call may or may not have been done: it timed out, broke off, or was answered with nonsense."""


def session() -> requests.Session:
    """This thread's session; connections are kept between calls."""
    kept: requests.Session | None = getattr(_local, "session", None)
    if kept is None:
        kept = requests.Session()
        kept.trust_env = False
        adapter = HTTPAdapter(pool_connections=8, pool_maxsize=8)
        kept.mount("http://", adapter)
        kept.mount("https://", adapter)
        _local.session = kept
    return kept


def send(
    system: str,
    method: str,
    url: str,
    *,
    timeout: float,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    data: bytes | Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> requests.Response:
    """One request, answered with any status below 500. Seconds: `timeout` to read, at most 3 to connect."""
    try:
        response = session().request(
            method,
            url,
            params=params,
            json=json,
            data=data,
            headers=dict(headers or {}),
            timeout=(min(3.0, timeout), timeout),
            allow_redirects=False,
        )
    except (requests.ConnectTimeout, requests.exceptions.ProxyError) as error:
        raise Unavailable(system, "no connection") from error
    except requests.ConnectionError as error:
        raise _broken(system, error) from error
    except requests.RequestException as error:
        raise OutcomeUnknown(system, type(error).__name__) from error
    if response.status_code >= 500:
        raise OutcomeUnknown(system, f"HTTP {response.status_code}")
    return response


def _broken(system: str, error: requests.ConnectionError) -> OutsideError:
    """A connection that never was did nothing; one that broke may have done everything."""
    if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
        return Unavailable(system, "no connection")
    return OutcomeUnknown(system, "connection broke off")


def json_of(system: str, response: requests.Response) -> Any:
    """The parsed body; OutcomeUnknown when it is not JSON."""
    try:
        return response.json()
    except ValueError as error:
        raise OutcomeUnknown(system, f"HTTP {response.status_code}, not JSON") from error
