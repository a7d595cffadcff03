"""A gateway that answers every call with "done" after a delay. Run it as a file: `python gateway.py PORT SECONDS`."""

import asyncio
import sys

ANSWER = b'{"code": "100", "description": "", "data": null}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
SECONDS = float(sys.argv[2])


class Gateway(asyncio.Protocol):
    """A connection, which answers each request when its head and body have come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, rest = self.received.split(b"\r\n\r\n", 1)
            length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(rest) < length:
                return
            self.received = rest[length:]
            asyncio.get_running_loop().call_later(SECONDS, self.reply)

    def reply(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(REPLY)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Gateway, "127.0.0.1", int(sys.argv[1]), backlog=512)
    await server.serve_forever()


asyncio.run(serve())
