"""The log of all HTTP calls of the traffic, as seen by the callers."""

import re
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests
from requests.adapters import HTTPAdapter

REFUSED, BROKEN, TIMED_OUT = (
    "refused",
    "broken",
    "timed out",
)  # no response: connection refused, closed early, timeout
_ID = re.compile(r"(?<=/)(?=[^/?]*\d)[\w.-]+|(?<=/)union-[\w-]+")


@dataclass(frozen=True)
class Call:
    """An HTTP call. Moments are monotonic seconds; `status` is a number or one of the constants above."""

    role: str
    what: str
    began: float
    seconds: float
    status: int | str
    can_retry: bool = False  # the response has Retry-After

    @property
    def ended(self) -> float:
        return self.began + self.seconds

    @property
    def is_unanswered(self) -> bool:
        return self.status in (REFUSED, BROKEN, TIMED_OUT)

    @property
    def is_fault(self) -> bool:
        """Return whether the status is a 5xx other than a 503 with Retry-After."""
        is_unavailable = self.status == HTTPStatus.SERVICE_UNAVAILABLE and self.can_retry
        return (
            isinstance(self.status, int) and self.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not is_unavailable
        )


@dataclass(frozen=True)
class Surprise:
    """An unexpected response in a script, such as a refusal of a permitted call."""

    role: str
    text: str
    at: float


class CallLog:
    """The calls and surprises of all threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls: list[Call] = []
        self.surprises: list[Surprise] = []

    def add(self, call: Call) -> None:
        with self.lock:
            self.calls.append(call)

    def add_surprise(self, role: str, error: Exception) -> None:
        with self.lock:
            self.surprises.append(Surprise(role, f"{type(error).__name__}: {error}"[:300], time.monotonic()))


class _Recorder(HTTPAdapter):
    """An adapter that records each call, also each redirect. It reads the body at once to detect a truncated body."""

    def __init__(self, log: CallLog, role: str) -> None:
        super().__init__()
        self.log, self.role = log, role

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        began, status, can_retry = time.monotonic(), "", False
        try:
            response = super().send(request, *args, **kwargs)
            len(response.content)
            status, can_retry = response.status_code, "Retry-After" in response.headers
        except requests.Timeout:
            status = TIMED_OUT
            raise
        except requests.RequestException as error:
            status = REFUSED if "NewConnectionError" in repr(error) else BROKEN
            raise
        else:
            return response
        finally:
            path = _ID.sub(":id", (request.path_url or "").partition("?")[0])
            seconds = time.monotonic() - began
            self.log.add(Call(self.role, f"{request.method} {path}", began, seconds, status, can_retry))


def recorded_session(log: CallLog, role: str) -> requests.Session:
    """Return a session of this role without keep-alive: a connection that the server closes would look like an error."""
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", _Recorder(log, role))
    session.headers["Connection"] = "close"
    return session
