"""Values that attackers and broken clients send instead of texts, numbers and days."""

import time
from collections.abc import Callable
from typing import Any

TEXTS = (
    "\x00",
    "a\x00b",
    "%00",
    "\u202egnp.exe",
    "\u200b\u2066\u2069",
    "\r\nX-Forged: 1",
    "\x1b[31mred",
    "' OR 1=1 --",
    "\\",
    "\\u0000",
    "%%%s%n",
    "{{7*7}}{% debug %}",
    "${jndi:ldap://127.0.0.1/x}",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "null",
    "undefined",
    "NaN",
    "-1",
    "1e999",
    "0x10",
    "9" * 400,
    str(2**63),
    str(-(2**63) - 1),
    "٣",
    "１２",
    "0000-00-00",
    "9999-12-31",
    "0001-01-01 00:00:00",
    "2026-02-30",
    "a" * 5000,
    "😀" * 300,
    "(" * 500 + "a+" * 200 + "$",
)
VALUES = (2**63, -(2**70), 1.5, True, None, [], {}, [[]], [None] * 1000, {"$ne": 1})  # of JSON
LARGE = ("x" * 1_000_000, " " * 400_000 + "x")
RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "9" * 5000,
    '"\\ud800"',
    '"\\u0000"',
    "[" * 900 + "]" * 900,
    '{"a":' * 900 + "1" + "}" * 900,
)
LONGEST_SECONDS = 1.0


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Make a call. Returns its response and its processor seconds.

    A call that took longer than LONGEST_SECONDS is made twice, and the shorter time counts: a collection of the garbage of
    thousands of tests may fall into a call, while a value that delays an operation delays it each time.
    """
    seconds = []
    while len(seconds) < 2:
        began = time.process_time()
        response = call()
        seconds.append(time.process_time() - began)
        if seconds[-1] <= LONGEST_SECONDS:
            break
    return response, min(seconds)
