"""gunicorn's thread worker, changed so that a slow caller never holds a thread.

The original gives a connection to a thread at its first byte, and the thread waits for the rest without a limit: a hundred
half-sent requests stop the service. Here the event loop collects a request, and a thread gets it once it is whole. What
a request means is still decided by gunicorn's parser alone; this module decides when the parser sees it.
"""

import errno
import time
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from socket import SHUT_WR, socket
from typing import Any

from gunicorn.errors import ConfigError
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from config.platform.web_requests import Incoming

SEND_SECONDS = 10.0  # for one piece of an answer, of which a caller may take none
LINGER_SECONDS = 2.0  # from the end of an answer until the connection is closed, whatever the caller still sends
HELD_BYTES = 64 * 1024**2  # of unfinished requests in one process; the oldest is cut off beyond it
_SWEEP_SECONDS = 0.25
_STEP = 64 * 1024


class _LimitedUnreader(SocketUnreader):
    """Gives the parser what was collected, and reads from the socket until a moment only."""

    deadline = 0.0  # monotonic seconds

    def chunk(self, size_hint: int | None = None) -> bytes:
        left = self.deadline - time.monotonic()
        if left <= 0:
            # An error, since an empty answer would pass for the body's end. gunicorn logs no error of this number.
            raise TimeoutError(errno.ECONNRESET, "the request did not arrive in time")
        before = self.sock.gettimeout()
        self.sock.settimeout(left)
        try:
            return bytes(super().chunk(size_hint))
        except TimeoutError as late:
            raise TimeoutError(errno.ECONNRESET, "the request did not arrive in time") from late
        finally:
            self.sock.settimeout(before)


class _Connection(TConn):
    """A connection whose next request is collected before a thread gets it."""

    def __init__(self, worker: "CollectingWorker", sock: socket, client: Any, server: Any) -> None:
        super().__init__(worker.cfg, sock, client, server)
        self.worker = worker
        self.incoming = Incoming(b"")
        self.linger_until = 0.0
        self.data_ready = True  # a thread need not wait for the first byte

    def init(self) -> None:
        """Prepare the parser for the collected request; gunicorn calls it in the thread, before each request."""
        is_new = self.parser is None
        super().init()
        if is_new:
            self.parser.unreader = _LimitedUnreader(self.sock)
        self.sock.settimeout(SEND_SECONDS)
        self.parser.unreader.deadline = self.incoming.read_until
        self.parser.unreader.unread(bytes(self.incoming.received))
        self.incoming = Incoming(b"")

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self.worker.linger(self)
        else:
            super().close()


class CollectingWorker(ThreadWorker):
    """Collects requests in the event loop, within WEB_HEAD_SECONDS and WEB_REQUEST_SECONDS."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._collecting: dict[_Connection, None] = {}  # in the order in which they began
        self._lingering: dict[_Connection, None] = {}
        self._held = 0
        self._next_sweep = 0.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        if cfg.is_ssl or cfg.http_protocols != ["h1"]:
            raise ConfigError("This worker speaks plain HTTP/1.1; TLS and HTTP/2 belong to the proxy in front.")
        super().check_config(cfg, log)

    def accept(self, listener: socket) -> None:
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        self._collect(_Connection(self, sock, client, listener.getsockname()))

    def on_client_socket_readable(self, conn: _Connection, client: socket) -> None:
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._collect(conn)

    def finish_request(self, conn: _Connection, fs: Any) -> None:
        kept = not fs.cancelled() and fs.exception() is None and fs.result()
        ahead = conn.parser.unreader.take_buffered() if kept else b""
        if ahead:  # the caller sent its next request, or a part of it, behind this one
            self._collect(conn, ahead)
        else:
            super().finish_request(conn, fs)

    def handle_request(self, req: Any, conn: _Connection) -> bool:
        try:
            return bool(super().handle_request(req, conn))
        except TimeoutError as late:
            # gunicorn logs no error of this number: a caller who takes no answer is no fault of ours.
            raise TimeoutError(errno.EPIPE, "the caller does not take the answer") from late

    def _keepalive_after(self, conn: _Connection, keepalive: bool) -> bool:
        conn.parser.unreader.deadline = 0.0  # a body that nobody read is not waited for: the connection closes
        return bool(super()._keepalive_after(conn, keepalive))

    def _collect(self, conn: _Connection, ahead: bytes = b"") -> None:
        conn.incoming = Incoming(ahead)
        if not self.alive:
            conn.incoming.end_by = time.monotonic() + STOP_KEEPALIVE_LINGER
        conn.sock.setblocking(False)
        self._collecting[conn] = None
        self._held += len(ahead)
        self.poller.register(conn.sock, EVENT_READ, partial(self._read_more, conn))
        if ahead:
            self._look_at(conn)
        else:
            self._read_more(conn, conn.sock)  # most requests are there already

    def _read_more(self, conn: _Connection, sock: socket) -> None:
        try:
            part = sock.recv(_STEP)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            self._cut_off(conn)
            return
        conn.incoming.received += part
        self._held += len(part)
        self._look_at(conn)
        while self._held > HELD_BYTES:
            self._cut_off(next(iter(self._collecting)))

    def _look_at(self, conn: _Connection) -> None:
        if conn.incoming.is_ready():
            self._leave(conn)
            self.enqueue_req(conn)
        elif conn.incoming.asks_to_go_on():
            with suppress(OSError):  # who has hung up is seen when it is read from next
                conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _leave(self, conn: _Connection) -> None:
        del self._collecting[conn]
        self._held -= len(conn.incoming.received)
        self.poller.unregister(conn.sock)

    def _cut_off(self, conn: _Connection) -> None:
        self._leave(conn)
        self.nr_conns -= 1
        conn.close()

    def linger(self, conn: _Connection) -> None:
        """Close after the caller has, or after LINGER_SECONDS: closing at once could destroy the end of the answer.

        gunicorn waits for that in its event loop, which then serves nobody: a hundred callers who do not hang up stop it.
        """
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(SHUT_WR)
            self.poller.register(conn.sock, EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError):  # it is closed already
            conn.close()
            return
        self.nr_conns += 1
        conn.linger_until = time.monotonic() + LINGER_SECONDS
        self._lingering[conn] = None

    def _drain(self, conn: _Connection, sock: socket) -> None:
        try:
            if sock.recv(_STEP):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._end(conn)

    def _end(self, conn: _Connection) -> None:
        del self._lingering[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Close what took too long; gunicorn calls it at every turn of its loop."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP_SECONDS
        for conn in [one for one in self._collecting if one.incoming.deadline() <= now]:
            self._cut_off(conn)
        for conn in [one for one in self._lingering if one.linger_until <= now]:
            self._end(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for conn in self._collecting:
            conn.incoming.end_by = min(conn.incoming.end_by, deadline)
