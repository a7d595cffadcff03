"""The course of a soak: preparation, traffic and faults, draining of the queues, verification."""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from config.platform.wakeups import start_soon
from earnings.payouts.worker import QUERY_PAYOUTS
from integrations.sandbox.state import State
from tests.soak.chaos import OUTSIDE, Chaos, plan
from tests.soak.faulty_product import FaultyProduct
from tests.soak.report import lines
from tests.soak.scenario import SoakScenario, key_of
from tests.soak.traffic import Traffic
from tests.soak.verification import Evidence, pending, violations
from tests.support.log_search import search
from tests.support.secrets_in_use import note_watched, noted

DRAIN_SECONDS = 200.0  # a message whose first two attempts failed is sent after half a minute
PROGRESS_SECONDS = 10.0
MOST_TIMES = 1.5  # the longest duration, as a multiple of the given time
LEAST_EXTENSION_SECONDS = 60.0  # but a short soak may take so much longer


class Progress:
    """The progress display: one changing line on a terminal, else a line at intervals."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        self.began = time.monotonic()
        self.next_at = 0.0

    def show(self, text: str) -> None:
        prefix = "\r\033[K" if self.is_terminal else ""
        sys.stdout.write(f"{prefix}{time.monotonic() - self.began:5.0f} s  {text}\n")
        sys.stdout.flush()

    def tick(self, text: str) -> None:
        now = time.monotonic()
        if self.is_terminal:
            sys.stdout.write(f"\r\033[K{now - self.began:5.0f} s  {text}")
            sys.stdout.flush()
        elif now >= self.next_at:
            self.next_at = now + PROGRESS_SECONDS
            self.show(text)


class Soak:
    """A soak of a product whose environment this process shares."""

    def __init__(self, processes: FaultyProduct, seconds: float, seed: int) -> None:
        self.processes, self.seconds, self.seed = processes, seconds, seed
        self.evidence, self.progress = Evidence(), Progress()

    def run(self) -> int:
        """Return the exit status."""
        self.progress.show(f"starting everything in {self.processes.run_dir}")
        try:
            self.processes.start()
            self._traffic_and_faults()
            self._drain()
            found = self._verify()
        finally:
            self.processes.close()
        if found:
            self.progress.show(f"the logs and the sandbox's journal are kept in {self.processes.run_dir}")
        else:
            shutil.rmtree(self.processes.run_dir.parent, ignore_errors=True)
        return 1 if found else 0

    def _traffic_and_faults(self) -> None:
        log, accepted = self.evidence.log, self.evidence.accepted
        scenario = SoakScenario(self.processes, log, accepted, key_of(self.processes))
        names = [f"u{number}" for number in range(min(24, max(6, int(self.seconds / 10))))]
        self.progress.show(f"settling {len(names)} people and their groups in")
        scenario.prepare(names)
        faults = plan(self.seconds, self.seed)
        self.evidence.planned = len(faults)
        self.progress.show(
            f"{self.seconds:.0f} s of traffic, seed {self.seed}, {len(faults)} faults: {', '.join(faults)}"
        )
        traffic, chaos = Traffic(scenario, names, self.seconds, self.processes.password, self.seed), Chaos(scenario)
        self.evidence.faults = chaos.faults
        traffic.start()
        try:
            self._make(faults, chaos)
        finally:
            traffic.end()

    def _make(self, faults: Sequence[str], chaos: Chaos) -> None:
        """Make one fault after the other, at regular intervals.

        On a busy machine the time is extended; faults beyond it are not made, which the verification reports.
        """
        began = time.monotonic()
        last = began + max(self.seconds * MOST_TIMES, self.seconds + LEAST_EXTENSION_SECONDS)
        for number, name in enumerate(faults):
            self._wait_until(began + self.seconds * (number + 0.3) / len(faults))
            if time.monotonic() > last:
                break
            fault = chaos.make(name)
            self.progress.show(
                f"{name}: away {fault.over - fault.began:.1f} s, well again after {fault.recovery_seconds:.1f} s"
            )
        self._wait_until(began + self.seconds)

    def _wait_until(self, moment: float) -> None:
        while time.monotonic() < moment:
            self.progress.tick(f"{len(self.evidence.log.calls)} calls, {len(self.evidence.faults)} faults")
            time.sleep(0.2)

    def _drain(self) -> None:
        """Wait until all queues are empty, except payouts whose query is due later.

        Beat queries payouts every five minutes; here the task runs more often, as operators can run it.
        """
        for system in {name.partition(":")[0] for name in OUTSIDE if ":" in name}:
            self.processes.set_fault(system, "ok")
        deadline, until = time.monotonic() + DRAIN_SECONDS, timezone.now() + timedelta(seconds=DRAIN_SECONDS)
        connection.close()
        while (left := pending(until=until)) and time.monotonic() < deadline:
            self.progress.tick("waiting for " + ", ".join(f"{count} {name}" for name, count in left.items()))
            start_soon(QUERY_PAYOUTS)
            time.sleep(2)

    def _verify(self) -> list[str]:
        sandbox = State(self.processes.run_dir / "sandbox.jsonl")
        output = self.processes.run("check_ledger").strip()
        note_watched()
        logs = search(self.processes.run_dir / "log", noted())
        found = violations(self.evidence, sandbox)
        found += [f"a secret in a log: {kind} in {file}" for file, kind in logs.found]
        report = [*lines(self.evidence, sandbox), "", output, str(logs), ""]
        report += [f"BREACH  {sentence}" for sentence in found] or ["PASSED  no breach"]
        sys.stdout.write("\n".join(report) + "\n")
        return found


def main(processes: FaultyProduct) -> int:
    """Run a soak of SECONDS (300) with SEED (1)."""
    return Soak(processes, float(os.environ.get("SECONDS") or 300), int(os.environ.get("SEED") or 1)).run()
