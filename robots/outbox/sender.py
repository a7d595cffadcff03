"""The sender: it claims messages, submits them to the gateway, and stores the results, in one loop.

Any number of senders may run on any number of machines. A call that hangs occupies one slot of many and delays no other
message.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Self

from django.db import connection
from django.db.utils import InterfaceError, OperationalError
from django.utils import timezone

from config.platform.dates import after_quiet_hours
from integrations.gateway import calls
from integrations.gateway.calls import GatewayCall
from integrations.gateway.pool import GatewayPool, NotCalled
from robots.models import OutboxMessage
from robots.outbox.leases import BATCH, ClaimedMessage, claim_messages, release
from robots.outbox.rate_limit import RateLimiter
from robots.outbox.results import AttemptResult, finish, postpone
from robots.signals import sender_tick

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # a message whose notification was lost is found this soon
LEASED_PER_SLOT = 4  # one message is under way, the next ones are ready
RESULT_BATCH = 200  # results are stored together when there are so many …
GATHER_SECONDS = 0.05  # … or when the first of them is so old
STOP_SECONDS = 5.0  # how long a stopping sender waits for the calls under way
# A call may be executed by so much later than it is submitted, so daytime messages stop this long before midnight.
QUIET_HOURS_MARGIN = timedelta(seconds=5)
PAUSE_FACTOR = 4  # a claim that finds nothing is followed by a pause of so many times its own duration
Operation = OutboxMessage.Operation


def call_for(message: ClaimedMessage) -> GatewayCall:
    """Return the gateway call of a message.

    Two numbers are named `message_no`: the number of this message, under which the gateway sends its content once, and in
    the content of a recall the number of the earlier message that is to be recalled.
    """
    robot, group = message.robot_code, message.group_code
    match message.operation:
        case Operation.SEND if group:
            content = _numbered_content(message)
            return calls.send_group_message(robot=robot, group=group, users=message.mentions, message=content)
        case Operation.SEND:
            content = _numbered_content(message)
            return calls.send_private_message(robot=robot, user=message.user_code, message=content)
        case Operation.RECALL:
            recalled_message_no = str(message.content.get("message_no", ""))
            return calls.recall_message(robot=robot, message_no=recalled_message_no)
        case Operation.BIND_GROUP:
            name = str(message.content.get("name", ""))
            return calls.bind_group(robot=robot, group=group, user=message.user_code, name=name)
        case Operation.UNBIND_GROUP:
            reason = str(message.content.get("reason", ""))
            return calls.unbind_group(robot=robot, group=group, reason=reason)
        case _:
            return calls.sync_group_members(robot=robot, group=group)


def _numbered_content(message: ClaimedMessage) -> dict[str, Any]:
    return {**message.content, "message_no": message.message_no}


class Sender:
    """A context manager around one gateway pool. `run` sends until it is stopped, `drain` until nothing is due."""

    def __init__(self, pool: GatewayPool | None = None, rate_limiter: RateLimiter | None = None) -> None:
        self.pool = pool or GatewayPool.from_settings()
        self.rate_limiter = rate_limiter or RateLimiter.from_settings()
        self.leased: dict[object, ClaimedMessage] = {}  # submitted to the gateway, without a result yet
        self.results: list[AttemptResult] = []  # not stored yet
        self.store_by = 0.0  # monotonic seconds: when the results are to be stored at the latest
        self.attempt_count = 0
        # A round is a series of claims through all waiting messages.
        self.claim_after = 0  # the id after which the next claim of this round begins
        self.round_has_messages = False  # whether this round has found any that may be sent
        # Both in monotonic seconds. A notification makes the next claim due at once, but not before `idle_until`, so that
        # rounds that find nothing do not follow each other without a pause.
        self.next_claim_at = self.idle_until = 0.0
        self.notified_at = 0.0
        self.tick_at = 0.0  # when to send the signal `sender_tick` next

    def __enter__(self) -> Self:
        self.pool.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.__exit__(*error)

    def notify(self) -> None:
        """Make the sender claim soon. Any thread may call it."""
        self.notified_at, self.next_claim_at = time.monotonic(), 0.0
        self.pool.interrupt()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Send until stopped, then wait a little for the calls under way. An unavailable database is waited for."""
        while not stopped():
            try:
                self._step()
                self._tick()
            except (OperationalError, InterfaceError) as error:
                kind, text = type(error.__cause__ or error).__name__, str(error).partition("\n")[0]
                logger.warning("The database failed (%s: %s); the sender tries again each second", kind, text)
                connection.close()
                time.sleep(POLL_SECONDS)
        self._stop()

    def _tick(self) -> None:
        """Send `sender_tick` each second. A receiver that fails is logged and does not stop the sender."""
        now = time.monotonic()
        if now >= self.tick_at:
            self.tick_at = now + POLL_SECONDS
            sender_tick.send_robust(Sender, at=timezone.now())

    def _stop(self) -> None:
        self.pool.close()
        deadline = time.monotonic() + STOP_SECONDS
        while self.leased and time.monotonic() < deadline:
            self._collect(seconds=0.1)
        self._store()

    def drain(self) -> int:
        """Send until nothing can be sent now. Returns the number of attempts."""
        # A round that finds nothing moves the next claim into the future (`_end_round`).
        while self.leased or self.results or self.next_claim_at <= time.monotonic():
            self._step()
        return self.attempt_count

    def _step(self) -> None:
        """Store results, claim as many messages as there is room for, and wait for what comes next."""
        now = time.monotonic()
        if self.results and (len(self.results) >= RESULT_BATCH or now >= self.store_by or not self.leased):
            self._store()
        wait = max(self.next_claim_at, self.idle_until) - now
        room = self.pool.concurrency * LEASED_PER_SLOT - len(self.leased)
        if room < min(BATCH, self.pool.concurrency * LEASED_PER_SLOT // 2):
            wait = POLL_SECONDS  # for results
        elif wait <= 0:
            self._claim(min(BATCH, room))
        if self.results:
            wait = min(wait, self.store_by - now)
        self._collect(seconds=max(0.0, wait))

    def _claim(self, batch: int) -> None:
        began = time.monotonic()
        claimed = claim_messages(
            at=timezone.now(),
            after=self.claim_after,
            limited_robots=self.rate_limiter.limited_robots(),
            may_send=self.rate_limiter.is_available(),
            batch=batch,
        )
        # Both steps end the leases of the messages that they leave out. The second one counts the others towards the limit.
        sendable = self._release_for_quiet_hours(claimed.messages, timezone.now() + QUIET_HOURS_MARGIN)
        allowed = self._take_rate_or_release(sendable)
        # The key has the lease: a message whose lease ended while the database was away may be claimed here again.
        self.leased.update(((message.id, message.lease), message) for message in allowed)
        self.pool.submit([((message.id, message.lease), call_for(message)) for message in allowed])
        self.claim_after = claimed.after
        self.round_has_messages = self.round_has_messages or bool(allowed)
        if not self.claim_after:
            self._end_round(began)

    def _end_round(self, began: float) -> None:
        """End a round through all waiting messages. When it found none to send, wait for a notification or a second."""
        if not self.round_has_messages:
            now = time.monotonic()
            self.idle_until = now + min(POLL_SECONDS, (now - began) * PAUSE_FACTOR)
            self.next_claim_at = now + POLL_SECONDS
            if self.notified_at >= began:  # the new message may be behind the part that this round had read
                self.next_claim_at = 0.0
        self.round_has_messages = False

    def _release_for_quiet_hours(self, messages: list[ClaimedMessage], at: datetime) -> list[ClaimedMessage]:
        """Release the `by_day_only` messages until morning in quiet hours. Returns the messages that may be sent now.

        `not_before` already keeps these out of the quiet hours; a retry or a long queue brings them here.
        """
        morning = after_quiet_hours(at)
        if morning == at:
            return messages
        waiting = [message for message in messages if message.by_day_only]
        release(waiting, until=morning)
        # Messages behind these may be sendable now.
        self.round_has_messages = self.round_has_messages or bool(waiting)
        return [message for message in messages if not message.by_day_only]

    def _take_rate_or_release(self, messages: list[ClaimedMessage]) -> list[ClaimedMessage]:
        """Count the messages towards the rate limit and release those above it. Returns the others. Only SEND counts."""
        requested = Counter(message.robot_code for message in messages if message.operation == Operation.SEND)
        granted = self.rate_limiter.take(requested)
        allowed, over_limit = [], []
        for message in messages:
            if message.operation != Operation.SEND:
                allowed.append(message)
            elif granted[message.robot_code] > 0:
                granted[message.robot_code] -= 1
                allowed.append(message)
            else:
                over_limit.append(message)
        release(over_limit)
        return allowed

    def _collect(self, *, seconds: float) -> None:
        not_called = []
        for key, error in self.pool.results(seconds=seconds):
            message = self.leased.pop(key)
            if isinstance(error, NotCalled):
                not_called.append(message)
            else:
                self.results.append(AttemptResult(message, error))
                self.store_by = self.store_by or time.monotonic() + GATHER_SECONDS
        release(not_called)

    def _store(self) -> None:
        if not self.results:
            return
        try:
            finish(self.results, at=timezone.now())
        except (OperationalError, InterfaceError):
            raise  # the results are stored when the database is back
        except Exception:  # noqa: BLE001 - a receiver that fails for one message must not keep the others unstored
            self._store_one_by_one()
        self.attempt_count += len(self.results)
        self.results, self.store_by = [], 0.0
        self.next_claim_at = 0.0  # the next messages of the same ordering keys may be sendable now

    def _store_one_by_one(self) -> None:
        """Store each result by itself. A message whose receiver fails is tried again like a failed one."""
        for result in self.results:
            try:
                finish([result], at=timezone.now())
            except (OperationalError, InterfaceError):
                raise  # the results are stored when the database is back
            except Exception as error:
                logger.exception(
                    "A receiver fails for the result of message %s, which is tried again", result.message.message_no
                )
                postpone(result, receiver_error=type(error).__name__, at=timezone.now())


def drain() -> int:
    """Send everything that can be sent now. Returns the number of attempts."""
    with Sender() as sender:
        return sender.drain()
