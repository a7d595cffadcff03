"""HTTP calls to outside systems: one pooled session per thread, timeouts, one reading of answers, and a bulkhead.

The bulkhead limits how many threads of a process call one system at a time. A system that hangs therefore never occupies
all threads, and requests that need no outside system are served.
"""

import re
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

import requests
from requests.adapters import HTTPAdapter

_local = threading.local()
CALLS_AT_ONCE = 3  # of a process to one system: fewer than half of the web threads
SLOW_SECONDS = 0.5  # while a call takes longer, further calls fail at once instead of waiting for a slot


def storable(text: str) -> str:
    """Return a text as PostgreSQL can store it: without NUL characters and lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class OutsideError(Exception):
    """A call to an outside system failed. The message holds neither secrets nor what was sent, so it may be stored."""

    def __init__(self, system: str, message: str) -> None:
        self.system = system
        super().__init__(storable(f"{system}: {message}"[:300]))


class Refused(OutsideError):
    """The system answered that it refuses the call. `code` is its own code for the reason."""

    def __init__(self, system: str, code: str, message: str = "") -> None:
        self.code = storable(code)
        super().__init__(system, f"{code} {message}".strip())


class Unavailable(OutsideError):
    """The call was certainly not done: there was no connection."""


class Busy(Unavailable):
    """The system answered that it takes no call now (flow control). The same call may be made again.

    `retry_after` is the number of seconds to wait, None if the system does not name it.
    """

    def __init__(self, system: str, message: str, *, retry_after: int | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(system, message)


class OutcomeUnknown(OutsideError):
    """The call may or may not have been done: it timed out, broke off, or had an invalid answer."""


def session() -> requests.Session:
    """Return this thread's session, which keeps connections between calls."""
    current: requests.Session | None = getattr(_local, "session", None)
    if current is None:
        current = requests.Session()
        current.trust_env = False
        adapter = HTTPAdapter(pool_connections=8, pool_maxsize=8)
        current.mount("http://", adapter)
        current.mount("https://", adapter)
        _local.session = current
    return current


class _Bulkhead:
    """The start times (monotonic seconds) of the calls that are under way to each system."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.began: dict[str, list[float]] = defaultdict(list)

    def enter(self, system: str, at_once: int) -> float:
        """Occupy a slot and return the start time. Waits shortly for one; raises Unavailable at once for a slow system."""
        with self.changed:
            deadline = time.monotonic() + SLOW_SECONDS
            while len(self.began[system]) >= at_once:
                now, slow_at = time.monotonic(), min(self.began[system]) + SLOW_SECONDS
                if now >= min(slow_at, deadline):
                    raise Unavailable(system, "too many calls under way")
                self.changed.wait(min(slow_at, deadline) - now)
            began = time.monotonic()
            self.began[system].append(began)
            return began

    def leave(self, system: str, began: float) -> None:
        with self.changed:
            self.began[system].remove(began)
            self.changed.notify_all()


_bulkhead = _Bulkhead()


@contextmanager
def call_slot(system: str, at_once: int = CALLS_AT_ONCE) -> Iterator[None]:
    """Occupy one slot of the system for all calls that this thread makes in the block. Raises Unavailable without one."""
    occupied: set[str] = _local.__dict__.setdefault("occupied", set())
    if system in occupied:
        yield
        return
    began = _bulkhead.enter(system, at_once)
    occupied.add(system)
    try:
        yield
    finally:
        occupied.discard(system)
        _bulkhead.leave(system, began)


class CallSlots(NamedTuple):
    """A separate bulkhead for one kind of call: its name, and how many threads may be in such a call at once."""

    name: str
    at_once: int


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
    slots: CallSlots | None = None,
) -> requests.Response:
    """Make one request and return the response (status 2xx or 4xx). Seconds: `timeout` to read, at most 3 to connect.

    `slots` replaces the system's own bulkhead. Raises OutsideError.
    """
    with call_slot(slots.name, slots.at_once) if slots else call_slot(system):
        response = _request(system, method, url, timeout, params=params, json=json, data=data, headers=headers)
    check_status(system, response.status_code, retry_after=response.headers.get("Retry-After", ""))
    return response


def check_status(system: str, status: int, *, retry_after: str = "") -> None:
    """Raise Busy for status 429, OutcomeUnknown for 3xx and 5xx.

    A response with another 4xx may be a refusal, so its body is read (`ResponseFormat`).
    """
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = int(retry_after) if re.fullmatch("[0-9]{1,6}", retry_after) else None
        raise Busy(system, f"HTTP {status}", retry_after=seconds)
    if not is_success(status) and not 400 <= status < 500:
        raise OutcomeUnknown(system, f"HTTP {status}")


def is_success(status: int) -> bool:
    return 200 <= status < 300


def _request(
    system: str,
    method: str,
    url: str,
    timeout: float,
    *,
    params: Mapping[str, Any] | None,
    json: Any,
    data: bytes | Mapping[str, str] | None,
    headers: Mapping[str, str] | None,
) -> requests.Response:
    try:
        return session().request(
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


def _broken(system: str, error: requests.ConnectionError) -> OutsideError:
    """Return Unavailable if there was no connection, OutcomeUnknown if the connection broke off during the call."""
    if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
        return Unavailable(system, "no connection")
    return OutcomeUnknown(system, "connection broke off")


def json_of(system: str, response: requests.Response) -> Any:
    """Return the parsed body. Raises OutcomeUnknown when it is not JSON."""
    try:
        return response.json()
    except ValueError as error:
        raise OutcomeUnknown(system, f"HTTP {response.status_code}, not JSON") from error


@dataclass(frozen=True)
class ResponseFormat:
    """The format of a system's answers. A call counts as done only with a 2xx status and the code for done."""

    system: str
    code: str  # the name of the field with the system's own code
    done: str  # the code of a call that was done
    message: str  # the name of the field with the text of an error
    busy_codes: Collection[str] = ()  # codes of flow control
    code_may_be_missing: bool = False  # in the answer to a call that was done

    def read(self, status: int, answer: Any) -> dict[str, Any]:
        """Return the answer to a call that was done. Raises Refused, Busy or OutcomeUnknown for any other."""
        if not isinstance(answer, dict):
            raise OutcomeUnknown(self.system, "not an object")
        if self.code not in answer and not self.code_may_be_missing:
            raise OutcomeUnknown(self.system, f"answer without {self.code}")
        found = answer.get(self.code, self.done)
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise OutcomeUnknown(self.system, f"no code in {self.code}")
        code = str(found)
        if code in self.busy_codes:
            raise Busy(self.system, f"{code} {answer.get(self.message, '')}".strip())
        if code != self.done:
            raise Refused(self.system, code, str(answer.get(self.message, "")))
        if not is_success(status):
            raise OutcomeUnknown(self.system, f"HTTP {status}, though the answer says done")
        return answer

    def read_response(self, response: requests.Response) -> dict[str, Any]:
        """Read the answer of a response, as `read` does."""
        return self.read(response.status_code, json_of(self.system, response))
