"""Calls to one outside system from many threads: all succeed while it answers; one that hangs occupies few threads."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from integrations.http import CALLS_AT_ONCE, OutsideError, Unavailable, call_slot
from integrations.launch_system import _RESULT_SLOTS, LaunchSystem
from integrations.wechat.login import WeChat
from tests.support.outside_system import set_fault

THREADS = 24


def attempt(number: int) -> tuple[type[BaseException] | None, float]:
    """Sign in at WeChat. Returns the error class, if it failed, and the seconds that it took."""
    began = time.monotonic()
    try:
        WeChat.from_settings().profile("sandbox", f"user-{number}")
    except OutsideError as error:
        return type(error), time.monotonic() - began
    return None, time.monotonic() - began


def test_many_threads_wait_for_a_slot_while_the_system_answers(sandbox: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("integrations.http.SLOW_SECONDS", 30.0)  # a busy machine is no slow system
    with ThreadPoolExecutor(THREADS) as threads:
        outcomes = list(threads.map(attempt, range(THREADS)))
    assert {error for error, _ in outcomes} == {None}


@pytest.fixture
def hanging(sandbox: Any, settings: Any) -> None:
    settings.WECHAT_TIMEOUT = 6.0
    set_fault(sandbox, "wechat", "timeout")


def test_a_system_that_hangs_occupies_few_threads_and_the_others_fail_soon(hanging: None):
    with ThreadPoolExecutor(THREADS) as threads:
        outcomes = list(threads.map(attempt, range(THREADS)))
    refused = [seconds for error, seconds in outcomes if error is Unavailable]
    assert len(refused) == THREADS - CALLS_AT_ONCE
    assert max(refused) < 4.0  # of the 6 s that a call may take


def test_results_that_hang_delay_no_switch(sandbox: Any):
    hanging, is_over = threading.Barrier(CALLS_AT_ONCE + 2), threading.Event()

    def hang() -> None:
        with call_slot(_RESULT_SLOTS.name, _RESULT_SLOTS.at_once):
            hanging.wait(30)
            is_over.wait(30)

    with ThreadPoolExecutor(CALLS_AT_ONCE + 1) as pool:
        calls = [pool.submit(hang) for _ in range(CALLS_AT_ONCE + 1)]
        try:
            hanging.wait(30)
            LaunchSystem.from_settings().set_switches({"g1": True})
        finally:
            is_over.set()
    assert [call.exception() for call in calls] == [None] * len(calls)
    assert sandbox.state.switches == {"g1": 1}


def test_the_slots_are_free_again_afterwards(hanging: None, sandbox: Any):
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(attempt, range(THREADS)))
    set_fault(sandbox, "wechat", "ok")
    assert attempt(0)[0] is None
