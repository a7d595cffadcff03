"""A gateway that answers every call with "done". Run it as a file: `python gateway.py PORT SECONDS [record]`.

It answers after SECONDS. With `record` it also notes when each reply arrives, and `GET /arrivals` returns `{user: moment}` of
the replies since the last such call, in seconds of the monotonic clock, which all processes of a machine share.
"""

import asyncio
import json
import sys
import time

DONE = b'{"code": "100", "description": "", "data": null}'
ARRIVALS: dict[str, float] = {}
SECONDS = float(sys.argv[2])


class Gateway(asyncio.Protocol):
    """A connection, which answers each request when its head and body have come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, rest = self.received.split(b"\r\n\r\n", 1)
            _, _, length = head.lower().partition(b"content-length:")
            size = int(length.split(b"\r\n", 1)[0] or 0)
            if len(rest) < size:
                return
            self.received = rest[size:]
            asyncio.get_running_loop().call_later(SECONDS, self.reply, self.answer(head, rest[:size]))

    def answer(self, head: bytes, body: bytes) -> bytes:
        return DONE

    def reply(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
            self.transport.write(head + answer)


class RecordingGateway(Gateway):
    def answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET /arrivals"):
            taken = json.dumps(ARRIVALS).encode()
            ARRIVALS.clear()
            return taken
        now = time.monotonic()
        for user in json.loads(body or b"{}").get("users") or ():
            ARRIVALS.setdefault(user, now)
        return DONE


async def serve() -> None:
    kind = RecordingGateway if sys.argv[3:] == ["record"] else Gateway
    server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", int(sys.argv[1]), backlog=512)
    await server.serve_forever()


asyncio.run(serve())
