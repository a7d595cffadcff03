"""gunicorn's thread worker, changed so that a slow caller never occupies a thread.

The original passes a connection to a thread at its first byte, and the thread waits for the rest without a limit: a
hundred partial requests stop the service. Here the event loop collects a request, and a thread gets the complete
request. Only gunicorn's parser interprets requests; this module decides when the parser sees them.
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

SEND_SECONDS = 10.0  # the limit for sending one piece of a response to a caller that may not read it
LINGER_SECONDS = 2.0  # between the end of a response and the close of the connection
MAX_PARTIAL_BYTES = 64 * 1024**2  # of partial requests in one process; beyond it the oldest is aborted
_SWEEP_SECONDS = 0.25
_STEP = 64 * 1024


class _LimitedUnreader(SocketUnreader):
    """An unreader that gives the parser the collected bytes and reads from the socket until a deadline."""

    deadline = 0.0  # monotonic seconds

    def chunk(self, size_hint: int | None = None) -> bytes:
        left = self.deadline - time.monotonic()
        if left <= 0:
            # An error, because an empty result would mean the end of the body. gunicorn does not log ECONNRESET.
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
    """A connection whose next request is collected before it is passed to a thread."""

    def __init__(self, worker: "CollectingWorker", sock: socket, client: Any, server: Any) -> None:
        super().__init__(worker.cfg, sock, client, server)
        self.worker = worker
        self.incoming = Incoming(b"")
        self.linger_until = 0.0
        self.data_ready = True  # a thread does not wait for the first byte

    def init(self) -> None:
        """Prepare the parser for the collected request. gunicorn calls it in the thread before each request."""
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
    """A worker that collects requests in the event loop, within WEB_HEAD_SECONDS and WEB_REQUEST_SECONDS."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._collecting: dict[_Connection, None] = {}  # in the order of their beginning
        self._lingering: dict[_Connection, None] = {}
        self._partial_bytes = 0
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
        if ahead:  # the caller has already sent its next request, or a part of it
            self._collect(conn, ahead)
        else:
            super().finish_request(conn, fs)

    def handle_request(self, req: Any, conn: _Connection) -> bool:
        try:
            return bool(super().handle_request(req, conn))
        except TimeoutError as late:
            # gunicorn does not log EPIPE: a caller that does not read the response is not our error.
            raise TimeoutError(errno.EPIPE, "the caller does not read the response") from late

    def _keepalive_after(self, conn: _Connection, keepalive: bool) -> bool:
        conn.parser.unreader.deadline = 0.0  # do not wait for the rest of an unread body: the connection closes
        return bool(super()._keepalive_after(conn, keepalive))

    def _collect(self, conn: _Connection, ahead: bytes = b"") -> None:
        conn.incoming = Incoming(ahead)
        if not self.alive:
            conn.incoming.end_by = time.monotonic() + STOP_KEEPALIVE_LINGER
        conn.sock.setblocking(False)
        self._collecting[conn] = None
        self._partial_bytes += len(ahead)
        self.poller.register(conn.sock, EVENT_READ, partial(self._read_more, conn))
        if ahead:
            self._dispatch_if_ready(conn)
        else:
            self._read_more(conn, conn.sock)  # most requests have already arrived

    def _read_more(self, conn: _Connection, sock: socket) -> None:
        try:
            part = sock.recv(_STEP)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            self._abort(conn)
            return
        conn.incoming.received += part
        self._partial_bytes += len(part)
        self._dispatch_if_ready(conn)
        while self._partial_bytes > MAX_PARTIAL_BYTES:
            self._abort(next(iter(self._collecting)))

    def _dispatch_if_ready(self, conn: _Connection) -> None:
        if conn.incoming.is_ready():
            self._stop_collecting(conn)
            self.enqueue_req(conn)
        elif conn.incoming.takes_continue():
            with suppress(OSError):  # a closed connection is noticed at the next read
                conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _stop_collecting(self, conn: _Connection) -> None:
        del self._collecting[conn]
        self._partial_bytes -= len(conn.incoming.received)
        self.poller.unregister(conn.sock)

    def _abort(self, conn: _Connection) -> None:
        self._stop_collecting(conn)
        self.nr_conns -= 1
        conn.close()

    def linger(self, conn: _Connection) -> None:
        """Close after the caller closes, or after LINGER_SECONDS: an immediate close could lose the end of the response.

        gunicorn waits inside its event loop: a hundred callers that keep their connections open would stop the loop.
        """
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(SHUT_WR)
            self.poller.register(conn.sock, EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError):  # the connection is already closed
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
        self._finish_lingering(conn)

    def _finish_lingering(self, conn: _Connection) -> None:
        del self._lingering[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Close connections beyond their deadline. gunicorn calls it in each iteration of its loop."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP_SECONDS
        for conn in [each for each in self._collecting if each.incoming.deadline() <= now]:
            self._abort(conn)
        for conn in [each for each in self._lingering if each.linger_until <= now]:
            self._finish_lingering(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for conn in self._collecting:
            conn.incoming.end_by = min(conn.incoming.end_by, deadline)
