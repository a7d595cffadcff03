"""A gateway that answers at once and notes when each reply arrives. Run it as a file: `python recording_gateway.py PORT`.

`GET /arrivals` returns `{user: moment}` of the replies since the last such call, in seconds of the monotonic clock, which all
processes of a machine share.
"""

import asyncio
import json
import sys
import time

ARRIVALS: dict[str, float] = {}
DONE = b'{"code": "100", "description": "", "data": null}'


def taken() -> bytes:
    answer = json.dumps(ARRIVALS).encode()
    ARRIVALS.clear()
    return answer


class Gateway(asyncio.Protocol):
    """A connection, which answers each request when its head and body have come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, rest = self.received.split(b"\r\n\r\n", 1)
            _, has_body, length = head.lower().partition(b"content-length:")
            size = int(length.split(b"\r\n", 1)[0]) if has_body else 0
            if len(rest) < size:
                return
            self.received = rest[size:]
            answer = self.answer(head, rest[:size])
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))

    def answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET /arrivals"):
            return taken()
        now = time.monotonic()
        for user in json.loads(body or b"{}").get("users") or ():
            ARRIVALS.setdefault(user, now)
        return DONE


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Gateway, "127.0.0.1", int(sys.argv[1]), backlog=512)
    await server.serve_forever()


asyncio.run(serve())
