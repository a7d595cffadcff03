"""Calling outside systems: one pooled session a thread, timeouts, one reading of answers, and a bulkhead.

At most so many threads of a process are in calls to one system at a time. A system that hangs thus never holds all threads,
and what needs nobody outside goes on.
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
SLOW_SECONDS = 0.5  # a call that lasts so long makes others give up instead of waiting for its place


def storable(text: str) -> str:
    """What PostgreSQL can keep of a text: no NUL characters, no lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class OutsideError(Exception):
    """A call to an outside system did not end well. Never carries secrets or what was sent; can be written down."""

    def __init__(self, system: str, message: str) -> None:
        self.system = system
        super().__init__(storable(f"{system}: {message}"[:300]))


class Refused(OutsideError):
    """The other side answered, and the answer is no. `code` is its own word for why."""

    def __init__(self, system: str, code: str, message: str = "") -> None:
        self.code = storable(code)
        super().__init__(system, f"{code} {message}".strip())


class Unavailable(OutsideError):
    """The call was certainly not done: there was no connection."""


class Busy(Unavailable):
    """The other side answered that it takes no call now (flow control); the same call may be made again.

    `retry_after` is in how many seconds, as far as the other side says so.
    """

    def __init__(self, system: str, message: str, *, retry_after: int | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(system, message)


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


class _Bulkhead:
    """The calls that are under way to each system, by the moments at which they began (monotonic seconds)."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.began: dict[str, list[float]] = defaultdict(list)

    def enter(self, system: str, at_once: int) -> float:
        """Take a place. Waits a moment while the system answers; Unavailable at once while it is slow."""
        with self.changed:
            give_up_at = time.monotonic() + SLOW_SECONDS
            while len(self.began[system]) >= at_once:
                now, slow_at = time.monotonic(), min(self.began[system]) + SLOW_SECONDS
                if now >= min(slow_at, give_up_at):
                    raise Unavailable(system, "too many calls under way")
                self.changed.wait(min(slow_at, give_up_at) - now)
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
    """Hold one of the system's places for all calls of this thread within; Unavailable when it has none."""
    held: set[str] = _local.__dict__.setdefault("held", set())
    if system in held:
        yield
        return
    began = _bulkhead.enter(system, at_once)
    held.add(system)
    try:
        yield
    finally:
        held.discard(system)
        _bulkhead.leave(system, began)


class CallSlots(NamedTuple):
    """For how many threads of this process there is a place at once in calls of one kind."""

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
    places: CallSlots | None = None,
) -> requests.Response:
    """Make one request and return the answer (status 2xx or 4xx). Seconds: `timeout` to read, at most 3 to connect.

    `places`: those that the calls of this kind share instead of the system's; Unavailable when all are taken.
    """
    with call_slot(places.name, places.at_once) if places else call_slot(system):
        response = _request(system, method, url, timeout, params=params, json=json, data=data, headers=headers)
    check_status(system, response.status_code, retry_after=response.headers.get("Retry-After", ""))
    return response


def check_status(system: str, status: int, *, retry_after: str = "") -> None:
    """Raise for a status with which the system itself does not answer: Later for 429, OutcomeUnknown for 5xx and 3xx.

    A refusal may come with 4xx, so that its words are read; with such a status nothing is done (`Wording`).
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


@dataclass(frozen=True)
class ResponseFormat:
    """How a system says in its answers what came of a call. Nothing but a 2xx answer that says so counts as done."""

    system: str
    code: str  # the field with the system's own code …
    done: str  # … and its value in the answer to a call that was done
    message: str
    later: Collection[str] = ()  # codes of flow control
    code_may_be_missing: bool = False  # when the call was done

    def read(self, status: int, answer: Any) -> dict[str, Any]:
        """Return the answer to a call that was done. Raises Refused, Later or OutcomeUnknown for the others."""
        if not isinstance(answer, dict):
            raise OutcomeUnknown(self.system, "not an object")
        if self.code not in answer and not self.code_may_be_missing:
            raise OutcomeUnknown(self.system, f"answer without {self.code}")
        found = answer.get(self.code, self.done)
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise OutcomeUnknown(self.system, f"no code in {self.code}")
        code = str(found)
        if code in self.later:
            raise Busy(self.system, f"{code} {answer.get(self.message, '')}".strip())
        if code != self.done:
            raise Refused(self.system, code, str(answer.get(self.message, "")))
        if not is_success(status):
            raise OutcomeUnknown(self.system, f"HTTP {status}, though the answer says done")
        return answer

    def read_response(self, response: requests.Response) -> dict[str, Any]:
        """Read the answer of a response, as `read` does."""
        return self.read(response.status_code, json_of(self.system, response))
