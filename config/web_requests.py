"""When a request has arrived: the least reading of HTTP that tells a whole request from a part of one."""

import re
import time

from django.conf import settings

MAX_HEAD_BYTES = 64 * 1024
_CHUNKS_PER_BODY = 4  # a chunked body may be so many times as long on the wire as what it carries
_READ_AHEAD = 1024  # gunicorn asks for at least so many bytes of a body at a time
_END = b"\r\n\r\n"
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)


class Incoming:
    """The bytes of one request so far.

    Anything odd counts as arrived: the parser then refuses it by what is there, and waits for nothing.
    """

    def __init__(self, received: bytes) -> None:
        self.received = bytearray(received)
        self.began_at = time.monotonic()
        self.end_by = self.began_at + settings.WEB_REQUEST_SECONDS  # moments in monotonic seconds
        self.read_until = 0.0  # until when the thread may wait for more of it
        self._head_end = 0  # 0 until the head is whole
        self._searched = 0
        self._length: int | None = None  # of the body; None when it is chunked
        self._chunk_at = 0  # where the next chunk begins
        self._chunked_bytes = 0
        self._goes_on = False

    def deadline(self) -> float:
        """Return the moment at which it is cut off, in monotonic seconds."""
        head_by = self.began_at + settings.WEB_HEAD_SECONDS
        return self.end_by if self._head_end else min(head_by, self.end_by)

    def asks_to_go_on(self) -> bool:
        """Tell whether the caller waits for `100 Continue` before it sends the body; true once."""
        asked, self._goes_on = self._goes_on, False
        return asked

    def is_ready(self) -> bool:
        """Tell whether a thread can answer it without waiting for the caller."""
        if not self._head_end:
            looked_at = self._searched
            if not self._find_head():
                is_odd = _BARE_LINE_FEED.search(self.received, max(0, looked_at - 1)) is not None
                return is_odd or len(self.received) > MAX_HEAD_BYTES
            if self._plan_body():
                return True
        if self._length is None:
            return self._chunks_are_there()
        return len(self.received) >= self._head_end + self._length

    def _find_head(self) -> bool:
        start = 2 if self.received.startswith(b"\r\n") else 0  # one empty line before a request is none of it
        found = self.received.find(_END, max(start, self._searched - len(_END)))
        self._searched = len(self.received)
        self._head_end = self._chunk_at = found + len(_END) if found >= 0 else 0
        return found >= 0

    def _plan_body(self) -> bool:
        """Note what kind of body follows. Returns True when it is not waited for here."""
        lengths, is_chunked = [], False
        for line in bytes(self.received[: self._head_end]).split(b"\r\n")[1:]:
            name, _colon, value = line.partition(b":")
            name, value = name.strip().lower(), value.strip().lower()
            if name == b"content-length":
                lengths.append(value)
            is_chunked = is_chunked or name == b"transfer-encoding"
            self._goes_on = self._goes_on or (name, value) == (b"expect", b"100-continue")
        if is_chunked:
            return bool(lengths)  # the parser refuses both at once
        if len(lengths) > 1 or not all(one.isdigit() and len(one) < 20 for one in lengths):
            return True
        self._length = int(lengths[0]) if lengths else 0
        if self._length > settings.MAX_BODY_BYTES:
            # Refused unread, except on the pages where a signed-in operator uploads a file.
            self.read_until = self.end_by
            return True
        return False

    def _chunks_are_there(self) -> bool:
        limit = settings.MAX_BODY_BYTES + _READ_AHEAD  # past it the body is refused for its length
        if len(self.received) > self._head_end + limit * _CHUNKS_PER_BODY:
            return True
        while (line_end := self.received.find(b"\r\n", self._chunk_at)) >= 0:
            size = _CHUNK_SIZE.fullmatch(self.received, self._chunk_at, line_end)
            if size is None:
                return True
            length, data_at = int(size[1], 16), line_end + 2
            if length == 0:  # then trailers, or none, and an empty line
                return self.received.find(_END, line_end) >= 0
            if len(self.received) < data_at + length + 2:
                return self._chunked_bytes + len(self.received) - data_at > limit
            self._chunked_bytes += length
            self._chunk_at = data_at + length + 2
        return self._chunked_bytes > limit
