"""A light load generator: `python load.py` reads a turn from standard input and prints what it measured, both as JSON.

It keeps a number of connections busy, each with one request at a time, by bare system calls: about 25 µs of processor a request.
"""

import json
import select
import socket
import sys
import time

NUMBER = b"@NUMBER@@@@@"  # stands for the number of the request, in as many digits


class Turn:
    """A turn of load against one server."""

    def __init__(self, port: int, connections: int, requests: list[str], expected: str, first: int) -> None:
        self.requests = [request.encode() for request in requests]
        self.has_number = NUMBER in self.requests[0]
        self.address, self.expected, self.next = ("127.0.0.1", port), expected.encode(), first
        self.latencies: list[float] = []
        self.errors = 0
        self.poll = select.epoll()
        self.lines: dict[int, socket.socket] = {}
        self.sent_at: dict[int, float] = {}
        self.received: dict[int, bytes] = {}
        for _ in range(connections):
            self.connect()

    def connect(self) -> None:
        line = socket.create_connection(self.address, timeout=20)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = line.fileno()
        self.lines[number], self.received[number] = line, b""
        self.poll.register(number, select.EPOLLIN)
        self.send(number)

    def send(self, number: int) -> None:
        request = self.requests[self.next % len(self.requests)]
        if self.has_number:
            request = request.replace(NUMBER, b"%012d" % self.next)
        self.next += 1
        self.sent_at[number] = time.perf_counter()
        self.lines[number].sendall(request)

    def run(self, seconds: float) -> dict[str, float]:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            for number, _ in self.poll.poll(0.2):
                self.receive(number)
        taken = time.perf_counter() - began
        ordered = sorted(self.latencies) or [0.0]
        return {
            "requests": len(self.latencies),
            "errors": self.errors,
            "seconds": taken,
            "p50": 1000 * ordered[len(ordered) // 2],
            "p99": 1000 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
        }

    def receive(self, number: int) -> None:
        try:
            part = self.lines[number].recv(262_144)
        except OSError:
            part = b""
        if not part:
            self.errors += 1
            self.drop(number)
            return
        received = self.received[number] + part if self.received[number] else part
        if not is_whole(received):
            self.received[number] = received
            return
        self.received[number] = b""
        self.latencies.append(time.perf_counter() - self.sent_at[number])
        if not received.startswith(b"HTTP/1.1 200") or self.expected not in received:
            self.errors += 1
        self.send(number)

    def drop(self, number: int) -> None:
        self.poll.unregister(number)
        self.lines.pop(number).close()
        self.connect()


def is_whole(received: bytes) -> bool:
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = received[:end].lower()
    start = head.find(b"content-length:") + 15
    return len(received) >= end + 4 + int(head[start:].split(b"\r\n", 1)[0])


def main() -> None:
    turn = json.load(sys.stdin)
    seconds = turn.pop("seconds")
    json.dump(Turn(**turn).run(seconds), sys.stdout)


if __name__ == "__main__":
    main()
