"""The pool that makes many gateway calls at once: calls are submitted, and their results fetched later.

One thread makes the calls through libcurl (a call takes a third of the processor time of asyncio's clients). The caller
may use the database meanwhile, and a call that hangs delays no other.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Hashable
from contextlib import suppress
from io import BytesIO
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Self, TypeVar

import orjson
import pycurl
from django.conf import settings
from requests.certs import where as certificates

from integrations.gateway.calls import SYSTEM, GatewayCall, data_of
from integrations.http import OutcomeUnknown, OutsideError, Unavailable, check_status

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 3.0
STALE_SECONDS = 1.0  # a call that waited so long for a slot may have been cancelled meanwhile
GATHER_SECONDS = 0.01  # results that come within this time are delivered together
IDLE_SECONDS = 1  # a connection kept longer may have been closed by the gateway; libcurl checks once a second
MAX_RESPONSE_BYTES = 1_000_000
POLL_SECONDS = 0.01  # how soon a submitted call is noticed while others are under way
T = TypeVar("T")


class NotCalled(OutsideError):
    """The call waited too long for a slot, or the pool was closed. The gateway has not received it."""


class CallResult(NamedTuple):
    """The result of the call that was submitted under `key`. No error: the gateway executed it."""

    key: Hashable
    error: OutsideError | None


class SubmittedCall(NamedTuple):
    """A call that waits for a slot until `stale_at` (monotonic seconds) at the latest."""

    stale_at: float
    key: Hashable
    call: GatewayCall


class Slot:
    """A reusable libcurl handle, which makes one call at a time."""

    def __init__(self, base_url: str, headers: list[str], timeout: float) -> None:
        self.base_url = base_url
        self.key: Hashable = None
        self.response = BytesIO()
        self.curl = pycurl.Curl()
        for option, value in {
            pycurl.NOSIGNAL: 1,
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.PROXY: "",  # ignore the proxies of the environment
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.CAINFO: certificates(),
            pycurl.CONNECTTIMEOUT_MS: round(CONNECT_SECONDS * 1000),
            pycurl.TIMEOUT_MS: round(timeout * 1000),
            pycurl.HTTPHEADER: [*headers, "Expect:"],
            pycurl.MAXAGE_CONN: IDLE_SECONDS,
            pycurl.MAXFILESIZE: MAX_RESPONSE_BYTES,
            pycurl.POST: 1,
        }.items():
            self.curl.setopt(option, value)

    def prepare(self, submitted: SubmittedCall) -> None:
        """Set the handle up for this call."""
        body = orjson.dumps(submitted.call.body)
        self.key, self.response = submitted.key, BytesIO()
        self.curl.setopt(pycurl.URL, f"{self.base_url}/gbot/{submitted.call.name}")
        self.curl.setopt(pycurl.POSTFIELDSIZE, len(body))
        # libcurl repeats a POST whose connection broke off, unless its body comes from a stream that it cannot rewind.
        self.curl.setopt(pycurl.READDATA, BytesIO(body))
        self.curl.setopt(pycurl.WRITEDATA, self.response)

    def result(self, fault: int) -> CallResult:
        """Return the result of the call. `fault` is libcurl's error number, 0 when there was a response."""
        error: OutsideError | None = None
        try:
            data_of(*self._read_response(fault))
        except OutsideError as outside_error:
            error = outside_error
        except Exception as exception:
            logger.exception("An answer of the gateway cannot be read, so the outcome of its call is unknown")
            error = OutcomeUnknown(SYSTEM, type(exception).__name__)
        return CallResult(self.key, error)

    def _read_response(self, fault: int) -> tuple[int, Any]:
        """Return the HTTP status and the parsed body. Raises Unavailable, Busy or OutcomeUnknown."""
        if fault and not self.curl.getinfo(pycurl.REQUEST_SIZE):
            raise Unavailable(SYSTEM, "no connection")  # no byte of the request was sent
        if fault:
            raise OutcomeUnknown(SYSTEM, _name_of(fault))
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        check_status(SYSTEM, status)
        try:
            return status, orjson.loads(self.response.getvalue())
        except orjson.JSONDecodeError as error:
            raise OutcomeUnknown(SYSTEM, f"HTTP {status}, not JSON") from error


def _name_of(fault: int) -> str:
    if fault == pycurl.E_OPERATION_TIMEDOUT:
        return "timed out"
    return f"broke off (curl {fault})"


class GatewayPool:
    """A context manager that makes up to `concurrency` calls at once in a thread of its own.

    Further calls wait for a slot, for STALE_SECONDS at most.
    """

    def __init__(self, base_url: str, token: str, timeout: float, concurrency: int) -> None:
        self.concurrency = concurrency
        headers = ["Content-Type: application/json", *([f"X-Gateway-Token: {token}"] if token else [])]
        self._submitted: SimpleQueue[list[SubmittedCall]] = SimpleQueue()  # an empty list interrupts a wait
        self._delivered: SimpleQueue[list[CallResult]] = SimpleQueue()  # an empty list interrupts `results`
        self._closed = self._stopped = False
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        # Only the thread uses the attributes below.
        self._free = [Slot(base_url.rstrip("/"), headers, timeout) for _ in range(concurrency)]
        self._active: dict[pycurl.Curl, Slot] = {}
        self._waiting: deque[SubmittedCall] = deque()
        self._finished: list[CallResult] = []
        self._deliver_at = 0.0
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, concurrency)

    @classmethod
    def from_settings(cls) -> "GatewayPool":
        return cls(
            settings.GATEWAY_BASE_URL,
            settings.GATEWAY_TOKEN,
            settings.GATEWAY_TIMEOUT,
            settings.SENDER_CONCURRENCY,
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Break off the calls without an answer. Their outcome stays unknown."""
        self._stopped = True
        self._submitted.put([])
        self._thread.join(CONNECT_SECONDS)  # libcurl may hang while it resolves the gateway's name

    def submit(self, calls: list[tuple[Hashable, GatewayCall]]) -> None:
        """Queue calls, each under a key of the caller's."""
        if calls:
            stale_at = time.monotonic() + STALE_SECONDS
            self._submitted.put([SubmittedCall(stale_at, key, call) for key, call in calls])

    def results(self, *, seconds: float) -> list[CallResult]:
        """Return the results since the last call. Waits up to `seconds` for the first one, or for `interrupt`."""
        results = _drained(self._delivered, seconds)
        if not results and not self._thread.is_alive():
            raise RuntimeError("The thread that calls the gateway has ended; its traceback is above.")
        return results

    def interrupt(self) -> None:
        """Make a waiting `results` return at once. Any thread and any signal handler may call it."""
        self._delivered.put([])

    def close(self) -> None:
        """Make no further calls: those that wait for a slot end as NotCalled, those under way are waited for."""
        self._closed = True
        self._submitted.put([])

    def _run(self) -> None:
        """Make the submitted calls and deliver their results until the pool is left."""
        while not self._stopped:
            self._waiting.extend(_drained(self._submitted, 0.0 if self._active or self._waiting else None))
            self._fill_slots()
            self._multi.perform()
            self._collect()
            self._deliver()
            if self._active and not (self._free and self._waiting):
                self._multi.select(POLL_SECONDS)
        for curl in self._active:
            self._multi.remove_handle(curl)
        self._multi.close()

    def _fill_slots(self) -> None:
        now = time.monotonic()
        while self._waiting and (self._free or self._closed or self._waiting[0].stale_at < now):
            submitted = self._waiting.popleft()
            if self._closed or submitted.stale_at < now:
                self._finished.append(
                    CallResult(submitted.key, NotCalled(SYSTEM, "no free slot in time, or the pool closes"))
                )
            else:
                self._start(submitted)

    def _start(self, submitted: SubmittedCall) -> None:
        """Start a call. A call that cannot be encoded ends as Unavailable, so that the thread goes on."""
        slot = self._free.pop()
        try:
            slot.prepare(submitted)
        except Exception as error:
            logger.exception("A call to the gateway cannot be encoded and counts as a failed attempt")
            self._free.append(slot)
            self._finished.append(CallResult(submitted.key, Unavailable(SYSTEM, type(error).__name__)))
        else:
            self._active[slot.curl] = slot
            self._multi.add_handle(slot.curl)

    def _collect(self) -> None:
        remaining = 1
        while remaining:
            remaining, succeeded, failed = self._multi.info_read()
            for curl, fault in [(curl, 0) for curl in succeeded] + [(curl, fault) for curl, fault, _text in failed]:
                self._multi.remove_handle(curl)
                slot = self._active.pop(curl)
                self._finished.append(slot.result(fault))
                self._free.append(slot)

    def _deliver(self) -> None:
        """Deliver results together: GATHER_SECONDS after the first, sooner when half of the slots or all calls are done."""
        now = time.monotonic()
        if not self._finished:
            self._deliver_at = now + GATHER_SECONDS
        elif (
            len(self._finished) * 2 >= self.concurrency
            or now >= self._deliver_at
            or not (self._active or self._waiting)
        ):
            self._delivered.put(self._finished)
            self._finished = []


def _drained(queue: SimpleQueue[list[T]], seconds: float | None) -> list[T]:
    """Return the items of all lists in the queue. Waits up to `seconds` for the first list (None: without limit)."""
    found: list[T] = []
    with suppress(Empty):
        found += queue.get(timeout=seconds) if seconds != 0.0 else queue.get_nowait()
        while True:
            found += queue.get_nowait()
    return found
