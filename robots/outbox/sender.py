"""A sender: claims what may be said, has the gateway say it, and writes down what it answered, all the time.

Any number of them may run, on any number of machines. A call that hangs takes up one place of many; everything else
goes on.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Self

from django.db import connection
from django.db.utils import InterfaceError, OperationalError
from django.utils import timezone

from config.platform.dates import after_quiet_hours
from integrations.gateway import calls
from integrations.gateway.calls import GatewayCall
from integrations.gateway.pool import GatewayLine, NotCalled
from robots.models import OutboxMessage
from robots.outbox.leases import BATCH, Claimed, claim, release
from robots.outbox.rate_limit import Pace
from robots.outbox.results import Attempt, put_off, settle
from robots.signals import senders_look

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # what nobody rang for is found this soon
LEASED_PER_SLOT = 4  # one is asked, the next ones are at hand
GATHER = 200  # so many answers are written down together …
GATHER_SECONDS = 0.05  # … or what came within this
STOP_SECONDS = 5.0  # for the answers of what was asked before the end
BEFORE_MIDNIGHT = timedelta(seconds=5)  # what is asked now may be said as much later
SHARE_OF_TIME = 4  # a look in vain is followed by a pause of so many times as long
Operation = OutboxMessage.Operation


def call_for(message: Claimed) -> GatewayCall:
    """The gateway's words for a message."""
    robot, group = message.robot_code, message.group_code
    words = {**message.content, "message_no": message.message_no}
    match message.operation:
        case Operation.SEND if group:
            return calls.group_message(robot=robot, group=group, users=message.mentions, message=words)
        case Operation.SEND:
            return calls.private_message(robot=robot, user=message.user_code, message=words)
        case Operation.RECALL:
            return calls.recall_message(robot=robot, message_no=str(message.content.get("message_no", "")))
        case Operation.BIND_GROUP:
            name = str(message.content.get("name", ""))
            return calls.bind_group(robot=robot, group=group, user=message.user_code, name=name)
        case Operation.UNBIND_GROUP:
            reason = str(message.content.get("reason", ""))
            return calls.unbind_group(robot=robot, group=group, reason=reason)
        case _:
            return calls.sync_group_members(robot=robot, group=group)


class Sender:
    """Use it as a context manager; then `run` for ever, or `drain` once."""

    def __init__(self, line: GatewayLine | None = None, pace: Pace | None = None) -> None:
        self.line = line or GatewayLine.from_settings()
        self.pace = pace or Pace.from_settings()
        self.in_hand: dict[object, Claimed] = {}  # asked of the gateway
        self.tried: list[Attempt] = []  # answered, not yet written down …
        self.write_by = 0.0  # … but soon (monotonic seconds)
        self.try_count = 0
        self.after = 0  # the round through what waits goes on from here …
        self.found = False  # … and found something so far
        self.look_at = self.rest_until = 0.0  # monotonic seconds: when to look next, and not before when
        self.rang_at = 0.0
        self.call_at = 0.0  # when to call for what is due

    def __enter__(self) -> Self:
        self.line.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.line.__exit__(*error)

    def look(self) -> None:
        """Look soon whether something waits; from any thread."""
        self.rang_at, self.look_at = time.monotonic(), 0.0
        self.line.attention()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Send until stopped, then wait a little for what was asked. A database that is away is waited for."""
        while not stopped():
            try:
                self._turn()
                self._call_for_what_is_due()
            except (OperationalError, InterfaceError) as error:
                kind, words = type(error.__cause__ or error).__name__, str(error).partition("\n")[0]
                logger.warning("The database does not do it (%s: %s); trying again", kind, words)
                connection.close()
                time.sleep(LOOK_SECONDS)
        self._finish()

    def _call_for_what_is_due(self) -> None:
        """Each second; a receiver that fails is logged, and keeps nobody from anything."""
        now = time.monotonic()
        if now >= self.call_at:
            self.call_at = now + LOOK_SECONDS
            senders_look.send_robust(Sender, at=timezone.now())

    def _finish(self) -> None:
        self.line.close()
        deadline = time.monotonic() + STOP_SECONDS
        while self.in_hand and time.monotonic() < deadline:
            self._collect(seconds=0.1)
        self._write_down()

    def drain(self) -> int:
        """Send until nothing can be sent now; how many tries that took."""
        while self.in_hand or self.tried or self.look_at <= time.monotonic():
            self._turn()
        return self.try_count

    def _turn(self) -> None:
        """Write down what was answered, take what there is room for, wait for what comes next."""
        now = time.monotonic()
        if self.tried and (len(self.tried) >= GATHER or now >= self.write_by or not self.in_hand):
            self._write_down()
        wait = max(self.look_at, self.rest_until) - now
        room = self.line.concurrency * LEASED_PER_SLOT - len(self.in_hand)
        if room < min(BATCH, self.line.concurrency * LEASED_PER_SLOT // 2):
            wait = LOOK_SECONDS  # for answers
        elif wait <= 0:
            self._take(min(BATCH, room))
        if self.tried:
            wait = min(wait, self.write_by - now)
        self._collect(seconds=max(0.0, wait))

    def _take(self, batch: int) -> None:
        began = time.monotonic()
        claimed = claim(
            at=timezone.now(),
            after=self.after,
            resting=self.pace.resting_robots(),
            may_say=self.pace.is_known(),
            batch=batch,
        )
        going = self._paced(self._by_day(claimed.messages, timezone.now() + BEFORE_MIDNIGHT))
        # By claim, not by message: what was away with the database beyond its lease may be claimed here again.
        self.in_hand.update(((message.id, message.lease), message) for message in going)
        self.line.ask([((message.id, message.lease), call_for(message)) for message in going])
        self.after, self.found = claimed.after, self.found or bool(going)
        if not self.after:
            self._end_round(began)

    def _end_round(self, began: float) -> None:
        """Everything that waits was looked at. In vain: look again when something calls for it, or a little later."""
        if not self.found:
            now = time.monotonic()
            self.rest_until = now + min(LOOK_SECONDS, (now - began) * SHARE_OF_TIME)
            self.look_at = now + LOOK_SECONDS
            if self.rang_at >= began:  # while we looked elsewhere
                self.look_at = 0.0
        self.found = False

    def _by_day(self, messages: list[Claimed], at: datetime) -> list[Claimed]:
        """Those that may be said now; what was tried in vain until midnight, or waited so long, goes on in the morning."""
        morning = after_quiet_hours(at)
        if morning == at:
            return messages
        waiting = [message for message in messages if message.by_day_only]
        release(waiting, until=morning)
        self.found = self.found or bool(waiting)  # their chats may go on
        return [message for message in messages if not message.by_day_only]

    def _paced(self, messages: list[Claimed]) -> list[Claimed]:
        """Those that may go now; the others are let go of. Only what is said counts towards the pace."""
        said = Counter(message.robot_code for message in messages if message.operation == Operation.SEND)
        places = self.pace.take(said)
        going, too_many = [], []
        for message in messages:
            if message.operation != Operation.SEND:
                going.append(message)
            elif places[message.robot_code] > 0:
                places[message.robot_code] -= 1
                going.append(message)
            else:
                too_many.append(message)
        release(too_many)
        return going

    def _collect(self, *, seconds: float) -> None:
        not_asked = []
        for key, error in self.line.answers(seconds=seconds):
            message = self.in_hand.pop(key)
            if isinstance(error, NotCalled):
                not_asked.append(message)
            else:
                self.tried.append(Attempt(message, error))
                self.write_by = self.write_by or time.monotonic() + GATHER_SECONDS
        release(not_asked)

    def _write_down(self) -> None:
        if not self.tried:
            return
        try:
            settle(self.tried, at=timezone.now())
        except (OperationalError, InterfaceError):
            raise  # they are written down when the database is back
        except Exception:  # noqa: BLE001 - what one receiver makes of one message must not keep the others
            self._write_down_each()
        self.try_count += len(self.tried)
        self.tried, self.write_by = [], 0.0
        self.look_at = 0.0  # their chats may go on

    def _write_down_each(self) -> None:
        """What receivers cannot take in is tried again like what failed; the database keeps the others."""
        for attempt in self.tried:
            try:
                settle([attempt], at=timezone.now())
            except (OperationalError, InterfaceError):
                raise  # as above
            except Exception as error:
                logger.exception("What became of message %s cannot be taken in", attempt.message.message_no)
                put_off(attempt, fault=type(error).__name__, at=timezone.now())


def drain() -> int:
    """Send what can be sent now; how many tries that took."""
    with Sender() as sender:
        return sender.drain()
