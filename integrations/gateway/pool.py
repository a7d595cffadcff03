"""The robot gateway, many calls at once: they are handed over, and the answers are fetched when they have come.

One thread does the talking, through libcurl (a call costs a third of the processor that asyncio's clients take), so
whoever hands calls over may use the database meanwhile, and one call that hangs holds up no other.
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
STALE_SECONDS = 1.0  # what could not be asked for so long may no longer be wanted
GATHER_SECONDS = 0.01  # answers that come close together are told together
IDLE_SECONDS = 1  # a connection kept longer may have been closed meanwhile: libcurl looks once a second
LARGEST = 1_000_000  # bytes of an answer
TURN_SECONDS = 0.01  # what is handed over while others are under way is taken on this soon
T = TypeVar("T")


class NotCalled(OutsideError):
    """The call waited too long for a place, or the line was closed: the gateway never heard of it."""


class Answered(NamedTuple):
    """What became of the call that was handed over under `key`; no error: it is done."""

    key: Hashable
    error: OutsideError | None


class Submitted(NamedTuple):
    """A call that waits for a place, but not beyond `stale_at` (monotonic seconds)."""

    stale_at: float
    key: Hashable
    call: GatewayCall


class Place:
    """One call at a time."""

    def __init__(self, base_url: str, headers: list[str], timeout: float) -> None:
        self.base_url = base_url
        self.key: Hashable = None
        self.heard = BytesIO()
        self.curl = pycurl.Curl()
        for option, value in {
            pycurl.NOSIGNAL: 1,
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.PROXY: "",  # whatever the environment says
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.CAINFO: certificates(),
            pycurl.CONNECTTIMEOUT_MS: round(CONNECT_SECONDS * 1000),
            pycurl.TIMEOUT_MS: round(timeout * 1000),
            pycurl.HTTPHEADER: [*headers, "Expect:"],
            pycurl.MAXAGE_CONN: IDLE_SECONDS,
            pycurl.MAXFILESIZE: LARGEST,
            pycurl.POST: 1,
        }.items():
            self.curl.setopt(option, value)

    def take(self, handed: Submitted) -> None:
        """The call is ready to be made."""
        body = orjson.dumps(handed.call.body)
        self.key, self.heard = handed.key, BytesIO()
        self.curl.setopt(pycurl.URL, f"{self.base_url}/gbot/{handed.call.name}")
        self.curl.setopt(pycurl.POSTFIELDSIZE, len(body))
        # What can be read once only is sent once only: libcurl does not repeat a call whose connection broke off.
        self.curl.setopt(pycurl.READDATA, BytesIO(body))
        self.curl.setopt(pycurl.WRITEDATA, self.heard)

    def answered(self, fault: int) -> Answered:
        """What came of it; `fault` is libcurl's number, 0 when there was an answer."""
        error: OutsideError | None = None
        try:
            data_of(*self._answer(fault))
        except OutsideError as told:
            error = told
        except Exception as told:
            logger.exception("An answer of the gateway cannot be understood")
            error = OutcomeUnknown(SYSTEM, type(told).__name__)
        return Answered(self.key, error)

    def _answer(self, fault: int) -> tuple[int, Any]:
        """Return the HTTP status and the parsed body."""
        if fault and not self.curl.getinfo(pycurl.REQUEST_SIZE):
            raise Unavailable(SYSTEM, "no connection")  # not a byte went out
        if fault:
            raise OutcomeUnknown(SYSTEM, _name_of(fault))
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        check_status(SYSTEM, status)
        try:
            return status, orjson.loads(self.heard.getvalue())
        except orjson.JSONDecodeError as error:
            raise OutcomeUnknown(SYSTEM, f"HTTP {status}, not JSON") from error


def _name_of(fault: int) -> str:
    if fault == pycurl.E_OPERATION_TIMEDOUT:
        return "timed out"
    return f"broke off (curl {fault})"


class GatewayLine:
    """Use it as a context manager. Calls beyond `concurrency` wait for a place, but not for long."""

    def __init__(self, base_url: str, token: str, timeout: float, concurrency: int) -> None:
        self.concurrency = concurrency
        headers = ["Content-Type: application/json", *([f"X-Gateway-Token: {token}"] if token else [])]
        self._handed: SimpleQueue[list[Submitted]] = SimpleQueue()  # an empty list: something else is new
        self._told: SimpleQueue[list[Answered]] = SimpleQueue()  # an empty list: somebody wants attention
        self._closed = self._hung_up = False
        self._talker = threading.Thread(target=self._talk, name="gateway", daemon=True)
        # only the talker touches what follows
        self._free = [Place(base_url.rstrip("/"), headers, timeout) for _ in range(concurrency)]
        self._asked: dict[pycurl.Curl, Place] = {}
        self._waiting: deque[Submitted] = deque()
        self._ready: list[Answered] = []
        self._tell_at = 0.0
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, concurrency)

    @classmethod
    def from_settings(cls) -> "GatewayLine":
        return cls(
            settings.GATEWAY_BASE_URL,
            settings.GATEWAY_TOKEN,
            settings.GATEWAY_TIMEOUT,
            settings.SENDER_CONCURRENCY,
        )

    def __enter__(self) -> Self:
        self._talker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Calls that have no answer yet are broken off; nobody knows what became of them."""
        self._hung_up = True
        self._handed.put([])
        self._talker.join(CONNECT_SECONDS)  # it may hang in the search for the gateway's name

    def ask(self, calls: list[tuple[Hashable, GatewayCall]]) -> None:
        """Hand calls over, each under a key of the caller's."""
        if calls:
            stale_at = time.monotonic() + STALE_SECONDS
            self._handed.put([Submitted(stale_at, key, call) for key, call in calls])

    def answers(self, *, seconds: float) -> list[Answered]:
        """The answers that have come; waits at most so long for some, or for `attention`."""
        answered = _all_of(self._told, seconds)
        if not answered and not self._talker.is_alive():
            raise RuntimeError("The thread that calls the gateway has ended; its traceback is above.")
        return answered

    def attention(self) -> None:
        """Have whoever waits in `answers` come back at once; from any thread or signal handler."""
        self._told.put([])

    def close(self) -> None:
        """Ask nothing more: what waits for a place comes back as NotAsked; what was asked is waited for."""
        self._closed = True
        self._handed.put([])

    def _talk(self) -> None:
        """Take on what was handed over, make the calls, tell what came of them; until the line is hung up."""
        while not self._hung_up:
            self._waiting.extend(_all_of(self._handed, 0.0 if self._asked or self._waiting else None))
            self._use_places()
            self._multi.perform()
            self._listen()
            self._tell()
            if self._asked and not (self._free and self._waiting):
                self._multi.select(TURN_SECONDS)
        for curl in self._asked:
            self._multi.remove_handle(curl)
        self._multi.close()

    def _use_places(self) -> None:
        now = time.monotonic()
        while self._waiting and (self._free or self._closed or self._waiting[0].stale_at < now):
            handed = self._waiting.popleft()
            if self._closed or handed.stale_at < now:
                self._ready.append(Answered(handed.key, NotCalled(SYSTEM, "not asked")))
            else:
                self._ask(handed)

    def _ask(self, handed: Submitted) -> None:
        """One that cannot be put into words is told like one that could not be asked: it must not end the talk."""
        place = self._free.pop()
        try:
            place.take(handed)
        except Exception as error:
            logger.exception("A call of the gateway cannot be made")
            self._free.append(place)
            self._ready.append(Answered(handed.key, Unavailable(SYSTEM, type(error).__name__)))
        else:
            self._asked[place.curl] = place
            self._multi.add_handle(place.curl)

    def _listen(self) -> None:
        left = 1
        while left:
            left, done, broken = self._multi.info_read()
            for curl, fault in [(curl, 0) for curl in done] + [(curl, fault) for curl, fault, _words in broken]:
                self._multi.remove_handle(curl)
                place = self._asked.pop(curl)
                self._ready.append(place.answered(fault))
                self._free.append(place)

    def _tell(self) -> None:
        """Soon, with others; at once when half of the places have something to tell, or nothing else is under way."""
        now = time.monotonic()
        if not self._ready:
            self._tell_at = now + GATHER_SECONDS
        elif len(self._ready) * 2 >= self.concurrency or now >= self._tell_at or not (self._asked or self._waiting):
            self._told.put(self._ready)
            self._ready = []


def _all_of(queue: SimpleQueue[list[T]], seconds: float | None) -> list[T]:
    """All that is in a queue of lists; waits at most so long for the first (None: for ever)."""
    found: list[T] = []
    with suppress(Empty):
        found += queue.get(timeout=seconds) if seconds != 0.0 else queue.get_nowait()
        while True:
            found += queue.get_nowait()
    return found
