"""The robot gateway, many calls at once: they are handed over, and the answers are fetched when they have come.

One thread with an event loop does the talking, so whoever hands calls over may use the database meanwhile, and one
call that hangs holds up no other.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Hashable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Self

import aiohttp
import orjson
from django.conf import settings

from integrations.gateway_calls import SYSTEM, GatewayCall, data_of
from integrations.http import OutcomeUnknown, OutsideError, Unavailable

CONNECT_SECONDS = 3.0
STALE_SECONDS = 1.0  # what could not be asked for so long may no longer be wanted
GATHER_SECONDS = 0.01  # answers that come close together are told together


class NotAsked(OutsideError):
    """The call waited too long for a place, or the line was closed: the gateway never heard of it."""


class Answered(NamedTuple):
    """What became of the call that was handed over under `key`; no error: it is done."""

    key: Hashable
    error: OutsideError | None


class GatewayLine:
    """Use it as a context manager. Calls beyond `concurrency` wait for a place, but not for long."""

    def __init__(self, base_url: str, token: str, timeout: float, concurrency: int) -> None:
        self.base_url, self.timeout, self.concurrency = base_url.rstrip("/"), timeout, concurrency
        self.headers = {"Content-Type": "application/json"} | ({"X-Gateway-Token": token} if token else {})
        self._loop = asyncio.new_event_loop()
        self._talker = threading.Thread(target=self._talk, name="gateway", daemon=True)
        self._told: SimpleQueue[list[Answered]] = SimpleQueue()  # an empty list: somebody wants attention
        # only the talker touches what follows
        self._session: aiohttp.ClientSession | None = None
        self._waiting: deque[tuple[float, Hashable, GatewayCall]] = deque()
        self._places: set[asyncio.Task[None]] = set()
        self._ready: list[Answered] = []
        self._closed = False

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
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._talker.join()
        self._loop.close()

    def ask(self, calls: list[tuple[Hashable, GatewayCall]]) -> None:
        """Hand calls over, each under a key of the caller's."""
        if calls:
            self._loop.call_soon_threadsafe(self._take_on, calls)

    def answers(self, *, seconds: float) -> list[Answered]:
        """The answers that have come; waits at most so long for some, or for `attention`."""
        answered: list[Answered] = []
        with suppress(Empty):
            answered += self._told.get(timeout=seconds) if seconds > 0 else self._told.get_nowait()
            while True:
                answered += self._told.get_nowait()
        return answered

    def attention(self) -> None:
        """Have whoever waits in `answers` come back at once; from any thread or signal handler."""
        self._told.put([])

    def close(self) -> None:
        """Ask nothing more: what waits for a place comes back as NotAsked; what was asked is waited for."""
        self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self._closed = True

    def _talk(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _take_on(self, calls: list[tuple[Hashable, GatewayCall]]) -> None:
        if self._session is None:
            self._session = self._open()
        stale_at = self._loop.time() + STALE_SECONDS
        self._waiting.extend((stale_at, key, call) for key, call in calls)
        for _ in range(min(len(calls), self.concurrency - len(self._places))):
            task = self._loop.create_task(self._serve(self._session))
            self._places.add(task)
            task.add_done_callback(self._places.discard)

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.concurrency),
            timeout=aiohttp.ClientTimeout(total=self.timeout, sock_connect=CONNECT_SECONDS),
            headers=self.headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def _serve(self, session: aiohttp.ClientSession) -> None:
        """One place: call after call, while any waits."""
        while self._waiting:
            stale_at, key, call = self._waiting.popleft()
            if self._closed or self._loop.time() > stale_at:
                self._tell(Answered(key, NotAsked(SYSTEM, "not asked")))
            else:
                self._tell(Answered(key, await self._error_of(session, call)))

    async def _error_of(self, session: aiohttp.ClientSession, call: GatewayCall) -> OutsideError | None:
        try:
            data_of(await self._post(session, call))
        except OutsideError as error:
            return error
        return None

    async def _post(self, session: aiohttp.ClientSession, call: GatewayCall) -> Any:
        url, body = f"{self.base_url}/gbot/{call.name}", orjson.dumps(call.body)
        try:
            async with session.post(url, data=body, allow_redirects=False) as response:
                raw, status = await response.read(), response.status
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unavailable(SYSTEM, "no connection") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutcomeUnknown(SYSTEM, type(error).__name__) from error
        if status >= 500:
            raise OutcomeUnknown(SYSTEM, f"HTTP {status}")
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise OutcomeUnknown(SYSTEM, f"HTTP {status}, not JSON") from error

    def _tell(self, answered: Answered) -> None:
        """Soon, with others; at once when half of the places have something to tell, or nothing else is under way."""
        self._ready.append(answered)
        if len(self._ready) * 2 >= self.concurrency or (len(self._places) == 1 and not self._waiting):
            self._tell_all()
        elif len(self._ready) == 1:
            self._loop.call_later(GATHER_SECONDS, self._tell_all)

    def _tell_all(self) -> None:
        if self._ready:
            self._told.put(self._ready)
            self._ready = []

    async def _hang_up(self) -> None:
        self._waiting.clear()
        for task in list(self._places):
            task.cancel()
        await asyncio.gather(*self._places, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
