"""The verification of a soak: responses, the database and the calls to outside systems must agree."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

from django.db.models import Count, F, Q
from django.utils import timezone

from earnings import ledger_check
from earnings.models import Payout, Withdrawal
from integrations.models import GatewayEvent, TextMessage
from integrations.sandbox.state import State
from launches.models import Delivery, Launch, MassMessage, MassMessageGroup, ResultReport
from robots.models import MessageAttempt, OutboxMessage, SourceType
from tests.soak.accepted import Accepted
from tests.soak.calls import CallLog
from tests.soak.chaos import RECOVERY_SECONDS, Fault

GRACE_SECONDS = 2.0  # effects of a fault may still show for this time after its recovery
SHOWN = 5
Outbox, Event, Text = OutboxMessage.Status, GatewayEvent.Status, TextMessage.Status
ANSWERED_BADLY = "hostile"  # the role whose partial requests need no response


@dataclass
class Evidence:
    """The calls, accepted requests and faults of a soak. The verification reads the rest from the database."""

    log: CallLog = field(default_factory=CallLog)
    accepted: Accepted = field(default_factory=Accepted)
    faults: Sequence[Fault] = ()
    planned: int = 0  # faults


def pending(*, until: datetime | None = None) -> dict[str, int]:
    """Return the number of unfinished rows by kind, without messages for the daytime.

    Payouts of unknown outcome count when their next query is due before `until`, which may take minutes, and so do
    mass messages whose moment comes before.
    """
    now = timezone.now()
    open_payouts = Payout.objects.filter(finished_at=None).exclude(leased_until__gt=until or now)
    waiting = OutboxMessage.objects.filter(status=Outbox.WAITING, by_day_only=False, is_held=False)
    kinds = {
        "events": GatewayEvent.objects.filter(status=Event.WAITING),
        "messages": waiting,
        "texts": TextMessage.objects.open(),
        "deliveries": Delivery.objects.filter(status=Delivery.Status.WAITING),
        "launch results": ResultReport.objects.open(),
        "mass messages": MassMessage.objects.filter(
            status=MassMessage.Status.WAITING, send_at__lte=max(now, until or now)
        ),
        "payouts": open_payouts.filter(next_attempt_at__lte=until or now),
    }
    return {name: count for name, rows in kinds.items() if (count := rows.count())}


def violations(evidence: Evidence, sandbox: State) -> list[str]:
    """Return a sentence for each violation; an empty list when there is none."""
    return [
        *_of_calls(evidence),
        *_of_faults(evidence),
        *_of_books(evidence.accepted, sandbox),
        *_of_events(evidence.accepted, sandbox),
        *_of_messages(sandbox),
        *_of_launches(evidence.accepted, sandbox),
        *_of_texts(evidence.accepted, sandbox),
        *(f"still to be done: {count} {name}" for name, count in pending(until=_queried_until()).items()),
    ]


def _queried_until() -> datetime:
    """Return the moment up to which due payouts have been queried."""
    return timezone.now() - timedelta(minutes=1)


def _some(sentence: str, found: Iterable[object]) -> Iterator[str]:
    """Yield the sentence with the number of items and a few examples, if there are any."""
    kept = list(found)
    if kept:
        yield f"{sentence}: {len(kept)}, such as {', '.join(str(one) for one in kept[:SHOWN])}"


def _of_calls(evidence: Evidence) -> Iterator[str]:
    calls = [call for call in evidence.log.calls if call.role != "setup"]
    yield from _some(
        "5xx other than 503 with Retry-After", (f"{c.status} {c.role} {c.what}" for c in calls if c.is_fault)
    )
    calm = [call for call in calls if not _is_in_a_fault(evidence.faults, call.began, call.ended)]
    unanswered = (c for c in calm if c.is_unanswered and c.role != ANSWERED_BADLY)
    yield from _some(
        "calls without an answer while nothing was broken", (f"{c.status} {c.role} {c.what}" for c in unanswered)
    )
    yield from _some("503 while nothing was broken", (f"{c.role} {c.what}" for c in calm if c.status == 503))
    surprises = (s for s in evidence.log.surprises if not _is_in_a_fault(evidence.faults, s.at, s.at))
    yield from _some("unexpected while nothing was broken", (f"{s.role}: {s.text}" for s in surprises))


def _is_in_a_fault(faults: Sequence[Fault], began: float, ended: float) -> bool:
    return any(fault.began <= ended and began <= fault.recovered + GRACE_SECONDS for fault in faults)


def _of_faults(evidence: Evidence) -> Iterator[str]:
    slow = (f for f in evidence.faults if f.own_seconds > RECOVERY_SECONDS)
    yield from _some("recoveries that took too long", (f"{f.name} {f.own_seconds:.1f} s" for f in slow))
    if len(evidence.faults) < evidence.planned:
        yield f"only {len(evidence.faults)} of {evidence.planned} faults were made in time"


def _of_books(accepted: Accepted, sandbox: State) -> Iterator[str]:
    """Check the ledger, and that each bill of WeChat Pay matches one withdrawal and each paid withdrawal one bill."""
    yield from _some("the ledger", ledger_check.find_errors())
    withdrawals = {row.out_bill_no: row for row in Withdrawal.objects.select_related("user", "payout")}
    bills = sandbox.bills
    yield from _some("transfers without a withdrawal", (number for number in bills if number not in withdrawals))
    known = [(bill, withdrawals[number]) for number, bill in bills.items() if number in withdrawals]
    unequal = (row.pk for bill, row in known if bill["amount"] != row.amount * 100)
    yield from _some("transfers of another amount than their withdrawal", unequal)
    paid = {row.pk for bill, row in known if bill["state"] == "SUCCESS"}
    has_paid = {row.pk for row in withdrawals.values() if row.status == Withdrawal.Status.PAID}
    yield from _some("withdrawals that are paid here and not by WeChat Pay", has_paid - paid)
    being_asked = {row.pk for row in withdrawals.values() if row.status == Withdrawal.Status.PAYING}
    yield from _some("transfers that are paid though their withdrawal is not", paid - has_paid - being_asked)
    asked = {(row.user.union_id, int(row.amount)) for row in withdrawals.values()}
    yield from _some("withdrawals that were accepted and are missing", set(accepted.withdrawals.items()) - asked)


def _of_events(accepted: Accepted, sandbox: State) -> Iterator[str]:
    """Check that accepted events were handled and caused exactly one reply each."""
    handled = GatewayEvent.objects.filter(status=Event.HANDLED, event_id__in=accepted.events)
    missing = accepted.events - set(handled.values_list("event_id", flat=True))
    yield from _some("events that were taken and are not handled", missing)
    written = Counter(
        chain.from_iterable(OutboxMessage.objects.exclude(mentions=[]).values_list("mentions", flat=True))
    )
    text = Counter(chain.from_iterable(message["users"] for message in sandbox.messages.values()))
    for where, counts in (("written", written), ("sent", text)):
        wrong = (f"{who} × {counts[who]}" for who in sorted(accepted.speakers) if counts[who] != 1)
        yield from _some(f"replies that are not {where} exactly once", wrong)


def _of_messages(sandbox: State) -> Iterator[str]:
    """Check that the sent messages in the database and at the gateway are the same."""
    rows = OutboxMessage.objects.filter(operation=OutboxMessage.Operation.SEND)
    sent = {str(number) for number in rows.filter(status=Outbox.SENT).values_list("message_no", flat=True)}
    yield from _some("messages that are sent here and unknown to the gateway", sent - sandbox.messages.keys())
    yield from _some("messages that the gateway sent and that are not sent here", sandbox.messages.keys() - sent)
    switched_off = Q(status=Outbox.CLOSED, source_type=SourceType.LAUNCH)  # by its user, before it was sent
    unsent = OutboxMessage.objects.filter(status__in=[Outbox.FAILED, Outbox.CLOSED]).exclude(switched_off)
    yield from _some(
        "messages that failed or were closed",
        (f"{row.source_type} {row.source_id}: {row.last_error}" for row in unsent),
    )


def repeated_requests(sandbox: State) -> tuple[int, int]:
    """Return the number of repeated requests to the gateway, and the number of attempts with an unknown outcome.

    The first may exceed the second by the requests of killed senders.
    """
    unknown = MessageAttempt.objects.filter(outcome=MessageAttempt.Outcome.UNKNOWN).count()
    return sum(message["requests"] - 1 for message in sandbox.messages.values()), unknown


def _of_launches(accepted: Accepted, sandbox: State) -> Iterator[str]:
    """Check that accepted launches and mass messages have all deliveries, and that each launch delivery was reported."""
    planned = dict(Launch.objects.annotate(rows=Count("deliveries")).values_list("task_id", "rows"))
    yield from _some("launches without all their deliveries", accepted.launches.items() - planned.items())
    ended = F("sent_count") + F("failed_count") + F("skipped_count")
    yield from _some("launches whose counts do not add up", Launch.objects.exclude(planned_count=ended))
    failed = Delivery.objects.filter(status=Delivery.Status.FAILED)
    yield from _some("deliveries that failed", (f"{row.group_code}: {row.reason}" for row in failed))
    reported = Counter((result["launchId"], result["groupId"]) for result in sandbox.launch_results)
    sent = Delivery.objects.filter(status=Delivery.Status.SENT).values_list("launch__task_id", "reference")
    yield from _some("deliveries that the launch system does not know of", set(sent) - reported.keys())
    is_sent = Q(groups__status=MassMessage.Status.SENT)
    rows = MassMessage.objects.filter(pk__in=accepted.mass_messages).annotate(sent=Count("groups", filter=is_sent))
    groups = {str(key): count for key, count in rows.values_list("pk", "sent")}
    yield from _some(
        "mass messages that did not reach all their groups", accepted.mass_messages.items() - groups.items()
    )
    counts = {(str(row.mass_message_id), row.group.code): row.message_count for row in _groups_of_mass_messages()}
    text = Counter(
        OutboxMessage.objects.filter(source_type=SourceType.MASS_MESSAGE).values_list("source_id", "group_code")
    )
    yield from _some("mass messages with more or fewer messages than counted", counts.items() ^ text.items())


def _groups_of_mass_messages() -> Iterable[MassMessageGroup]:
    rows = MassMessageGroup.objects.select_related("mass_message", "group")
    return rows.filter(status=MassMessageGroup.Status.SENT)


def _of_texts(accepted: Accepted, sandbox: State) -> Iterator[str]:
    """Check that each phone of a batch got one text. A text without a response may have arrived and is not repeated."""
    arrived = Counter(text["phone"] for text in sandbox.sms if text["phone"].startswith("136"))
    yield from _some("phones that were texted twice", (phone for phone, count in arrived.items() if count > 1))
    rows = TextMessage.objects.filter(phone__in=accepted.texts)
    sent = set(rows.filter(status=Text.SENT).values_list("phone", flat=True))
    yield from _some("texts that are sent here and did not arrive", sent - arrived.keys())
    unknown = set(rows.filter(status=Text.UNKNOWN).values_list("phone", flat=True))
    yield from _some("texts that were taken and not sent", accepted.texts - sent - unknown)
