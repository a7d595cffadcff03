"""The results of a soak as tables."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from django.db.models import Count

from earnings.models import Payout, Withdrawal
from integrations.models import GatewayEvent
from integrations.sandbox.state import State
from launches.models import Delivery, MassMessage
from robots.models import OutboxMessage
from tests.soak.calls import Call
from tests.soak.verification import Evidence, repeated_requests

Row = Sequence[object]


def lines(evidence: Evidence, sandbox: State) -> Iterator[str]:
    calls = [call for call in evidence.log.calls if call.role != "setup"]
    yield from _table("calls", ["role", "calls", "p50 ms", "p99 ms", "statuses"], _by_role(calls))
    yield from _table("5xx", ["status", "Retry-After", "calls", "of"], _server_errors(calls))
    yield from _table(
        "faults", ["fault", "away s", "recovery s", "others had", "without them s"], _faults(evidence)
    )
    yield from _table("books", ["", "count"], _books(sandbox))
    yield from _table("messages", ["", "count"], _messages(evidence, sandbox))


def _table(title: str, head: Row, rows: Iterable[Row]) -> Iterator[str]:
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    yield ""
    yield f"== {title}"
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _by_role(calls: Sequence[Call]) -> Iterator[Row]:
    roles: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        roles[call.role].append(call)
        roles["all"].append(call)
    for role, made in sorted(roles.items()):
        seconds = sorted(call.seconds for call in made)
        counts = Counter(str(call.status) for call in made)
        statuses = "  ".join(f"{status}: {count}" for status, count in sorted(counts.items()))
        yield role, len(made), _ms(seconds, 0.5), _ms(seconds, 0.99), statuses


def _faults(evidence: Evidence) -> Iterator[Row]:
    for f in evidence.faults:
        yield (
            f.name,
            f"{f.over - f.began:.1f}",
            f"{f.recovery_seconds:.1f}",
            f"{f.others:.0%}",
            f"{f.own_seconds:.1f}",
        )


def _ms(ordered: Sequence[float], share: float) -> str:
    return f"{ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000:.0f}"


def _server_errors(calls: Sequence[Call]) -> Iterator[Row]:
    of: dict[tuple[object, bool], Counter[str]] = defaultdict(Counter)
    for call in calls:
        if isinstance(call.status, int) and call.status >= 500:
            of[call.status, call.can_retry][call.what] += 1
    for (status, can_retry), whats in sorted(of.items(), key=str):
        common = ", ".join(f"{what} × {count}" for what, count in whats.most_common(4))
        yield status, "yes" if can_retry else "NO", whats.total(), common


def _books(sandbox: State) -> Iterator[Row]:
    for status, count in _counts(Withdrawal.objects.values_list("status").annotate(n=Count("pk"))):
        yield f"withdrawals {Withdrawal.Status(status).name.lower()}", count
    for state, count in _counts(Payout.objects.values_list("state").annotate(n=Count("pk"))):
        yield f"payouts {state}", count
    for state, count in sorted(Counter(bill["state"] for bill in sandbox.bills.values()).items()):
        yield f"transfers {state} at WeChat Pay", count
    yield "transfers asked for again", sum(bill["requests"] - 1 for bill in sandbox.bills.values())


def _messages(evidence: Evidence, sandbox: State) -> Iterator[Row]:
    yield "events taken", len(evidence.accepted.events)
    for status, count in _counts(GatewayEvent.objects.values_list("status").annotate(n=Count("pk"))):
        yield f"events {GatewayEvent.Status(status).name.lower()}", count
    yield "replies owed", len(evidence.accepted.speakers)
    for status, count in _counts(OutboxMessage.objects.values_list("status").annotate(n=Count("pk"))):
        yield f"outbox {OutboxMessage.Status(status).name.lower()}", count
    yield "messages sent by the gateway", len(sandbox.messages)
    again, unknown = repeated_requests(sandbox)
    yield "asked again under the same number", again
    yield "tries of unknown outcome", unknown
    yield "launches taken", len(evidence.accepted.launches)
    for status, count in _counts(Delivery.objects.values_list("status").annotate(n=Count("pk"))):
        yield f"deliveries {Delivery.Status(status).name.lower()}", count
    yield "mass messages taken", len(evidence.accepted.mass_messages)
    sent = MassMessage.objects.filter(pk__in=evidence.accepted.mass_messages, status=MassMessage.Status.SENT)
    yield "mass messages sent", sent.count()
    yield "texts taken", len(evidence.accepted.texts)
    yield "texts arrived", sum(text["phone"].startswith("136") for text in sandbox.sms)


def _counts(rows: Iterable[tuple[object, int]]) -> list[tuple[object, int]]:
    return sorted(dict(rows).items(), key=str)
