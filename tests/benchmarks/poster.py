"""A light client that posts bodies at given moments over kept connections, and notes when each was answered."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Posted:
    """A body that was due at a moment and answered at another, in seconds of the monotonic clock."""

    due: float
    answered: float
    status: int

    @property
    def seconds(self) -> float:
        return self.answered - self.due


class Poster:
    """A client of one address. `head`: the request line and headers but Content-Length."""

    def __init__(self, port: int, head: str) -> None:
        self.port, self.head = port, head.encode()

    def post(self, bodies: Sequence[tuple[float, bytes]], *, connections: int) -> list[Posted]:
        """Post each body when its moment has come, or as soon as a connection is free. Returns the outcomes."""
        return asyncio.run(self._post(bodies, connections))

    async def _post(self, bodies: Sequence[tuple[float, bytes]], connections: int) -> list[Posted]:
        queue: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
        posted: list[Posted] = []
        callers = [asyncio.create_task(self._call(queue, posted)) for _ in range(connections)]
        for due, body in bodies:
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            queue.put_nowait((due, body))
        for _ in callers:
            queue.put_nowait(None)
        await asyncio.gather(*callers)
        return posted

    async def _call(self, queue: "asyncio.Queue[tuple[float, bytes] | None]", posted: list[Posted]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while (due_body := await queue.get()) is not None:
            due, body = due_body
            writer.write(b"%sContent-Length: %d\r\n\r\n%s" % (self.head, len(body), body))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            posted.append(Posted(due, time.monotonic(), int(head.split(b" ", 2)[1])))
        writer.close()
        await writer.wait_closed()
