"""A minimal reading of HTTP that distinguishes complete requests from partial ones."""

import re
import time

from django.conf import settings

MAX_HEAD_BYTES = 64 * 1024
_MAX_CHUNK_OVERHEAD = 4  # the highest ratio of a chunked body's length to the length of its content
_READ_AHEAD = 1024  # gunicorn asks for at least so many bytes of a body at a time
_END = b"\r\n\r\n"
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)


class Incoming:
    """The bytes received so far of one request.

    A malformed request counts as complete: the parser then refuses it at once.
    """

    def __init__(self, received: bytes) -> None:
        self.received = bytearray(received)
        self.began_at = time.monotonic()
        self.end_by = self.began_at + settings.WEB_REQUEST_SECONDS  # all moments are monotonic seconds
        self.read_until = 0.0  # the moment until which the thread may read the rest
        self._head_end = 0  # 0 until the head is complete
        self._searched = 0
        self._length: int | None = None  # of the body; None when it is chunked
        self._chunk_at = 0  # the position of the next chunk
        self._chunked_bytes = 0
        self._expects_continue = False

    def deadline(self) -> float:
        """Return the moment at which the request is aborted, in monotonic seconds."""
        head_by = self.began_at + settings.WEB_HEAD_SECONDS
        return self.end_by if self._head_end else min(head_by, self.end_by)

    def takes_continue(self) -> bool:
        """Return whether the caller waits for `100 Continue`. Returns True at the first call only."""
        expected, self._expects_continue = self._expects_continue, False
        return expected

    def is_ready(self) -> bool:
        """Return whether a thread can answer the request without waiting for the caller."""
        if not self._head_end:
            already_searched = self._searched
            if not self._find_head():
                is_malformed = _BARE_LINE_FEED.search(self.received, max(0, already_searched - 1)) is not None
                return is_malformed or len(self.received) > MAX_HEAD_BYTES
            if self._plan_body():
                return True
        if self._length is None:
            return self._has_all_chunks()
        return len(self.received) >= self._head_end + self._length

    def _find_head(self) -> bool:
        start = 2 if self.received.startswith(b"\r\n") else 0  # HTTP allows one empty line before a request
        found = self.received.find(_END, max(start, self._searched - len(_END)))
        self._searched = len(self.received)
        self._head_end = self._chunk_at = found + len(_END) if found >= 0 else 0
        return found >= 0

    def _plan_body(self) -> bool:
        """Read the length of the body from the head. Returns True when the body is not collected here."""
        lengths, is_chunked = [], False
        for line in bytes(self.received[: self._head_end]).split(b"\r\n")[1:]:
            name, _colon, value = line.partition(b":")
            name, value = name.strip().lower(), value.strip().lower()
            if name == b"content-length":
                lengths.append(value)
            is_chunked = is_chunked or name == b"transfer-encoding"
            self._expects_continue = self._expects_continue or (name, value) == (b"expect", b"100-continue")
        if is_chunked:
            return bool(lengths)  # the parser refuses both headers in one request
        if len(lengths) > 1 or not all(length.isdigit() and len(length) < 20 for length in lengths):
            return True
        self._length = int(lengths[0]) if lengths else 0
        if self._length > settings.MAX_BODY_BYTES:
            # The body is refused unread, except on pages where a signed-in operator uploads a file.
            self.read_until = self.end_by
            return True
        return False

    def _has_all_chunks(self) -> bool:
        limit = settings.MAX_BODY_BYTES + _READ_AHEAD  # a body past it is refused for its length
        if len(self.received) > self._head_end + limit * _MAX_CHUNK_OVERHEAD:
            return True
        while (line_end := self.received.find(b"\r\n", self._chunk_at)) >= 0:
            size = _CHUNK_SIZE.fullmatch(self.received, self._chunk_at, line_end)
            if size is None:
                return True
            length, data_at = int(size[1], 16), line_end + 2
            if length == 0:  # optional trailers and an empty line follow
                return self.received.find(_END, line_end) >= 0
            if len(self.received) < data_at + length + 2:
                return self._chunked_bytes + len(self.received) - data_at > limit
            self._chunked_bytes += length
            self._chunk_at = data_at + length + 2
        return self._chunked_bytes > limit
