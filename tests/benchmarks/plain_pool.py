"""A gateway pool of plain threads over `requests`: the contestant of `integrations.gateway.pool` in `bench_pools`."""

from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue

from django.conf import settings

from integrations.gateway.calls import SYSTEM, GatewayCall, data_of
from integrations.gateway.pool import CallResult
from integrations.http import CallSlots, OutsideError, json_of, send


class PlainPool:
    """The interface of `GatewayPool` on a `ThreadPoolExecutor`, one `requests` session a thread."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self._slots = CallSlots("gateway pool", concurrency)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="gateway")
        self._delivered: SimpleQueue[CallResult] = SimpleQueue()

    def __enter__(self) -> "PlainPool":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def submit(self, calls: list[tuple[Hashable, GatewayCall]]) -> None:
        for key, call in calls:
            self._threads.submit(self._call, key, call)

    def results(self, *, seconds: float) -> list[CallResult]:
        found = []
        with suppress(Empty):
            found.append(self._delivered.get(timeout=seconds) if seconds else self._delivered.get_nowait())
            while True:
                found.append(self._delivered.get_nowait())
        return found

    def _call(self, key: Hashable, call: GatewayCall) -> None:
        url = f"{settings.GATEWAY_BASE_URL}/gbot/{call.name}"
        error = None
        try:
            response = send(
                SYSTEM, "POST", url, timeout=settings.GATEWAY_TIMEOUT, json=call.body, slots=self._slots
            )
            data_of(response.status_code, json_of(SYSTEM, response))
        except OutsideError as outside_error:
            error = outside_error
        self._delivered.put(CallResult(key, error))
