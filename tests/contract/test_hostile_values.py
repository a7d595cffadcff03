"""Every parameter of every operation with hostile values gets a documented response quickly."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from tests.contract.calling import credential_of, send
from tests.contract.hostile import LARGE, LONGEST_SECONDS, RAW, TEXTS, VALUES, timed
from tests.contract.objects import Objects
from tests.contract.operations import OPERATIONS
from tests.contract.table import Call, Operation, as_json

pytestmark = pytest.mark.exhaustive

_TAKING = [one for one in OPERATIONS if one.params or one.paged]
_MARK = "a place for a value as it is written"


def _calls(operation: Operation, good: Call) -> list[tuple[str, Call, bytes | None]]:
    """Return (parameter and value, the call, the raw body) of each call.

    A parameter has every second text. Parameters of its kind in other operations have the others.
    """
    calls: list[tuple[str, Call, bytes | None]] = []
    in_body = operation.of("body")
    for place, param in enumerate(operation.params, OPERATIONS.index(operation)):
        texts = TEXTS[place % 2 :: 2]
        values = (*texts, *(LARGE if param in in_body[:1] else ()), *(VALUES if param.is_json else ()))
        calls += [(f"{param.name}={value!r:.40}", good.having(param, value), None) for value in values]
        if param in in_body[:1]:
            written = as_json(good.having(param, _MARK).body)
            calls += [
                (f"{param.name} raw {raw:.20}", good, written.replace(as_json(_MARK), raw.encode())) for raw in RAW
            ]
    for name in ("page", "page_size") if operation.paged else ():
        calls += [
            (f"{name}={value!r:.40}", replace(good, query=good.query | {name: value}), None) for value in TEXTS
        ]
    return calls


def _send_without_effect(operation: Operation, call: Call, headers: Any, raw: bytes | None) -> Any:
    """Send a call and roll its effects back, so that the next call finds the same data. Returns the response."""
    with transaction.atomic():
        response = send(operation, call, headers, **({} if raw is None else {"raw": raw}))
        transaction.set_rollback(True)
    return response


@pytest.mark.parametrize("operation", _TAKING, ids=str)
def test_no_value_breaks_or_delays_an_operation(
    operation: Operation, objects: Objects, sandbox: Any, settings: Any
):
    settings.THROTTLE_RATES = dict.fromkeys(settings.THROTTLE_RATES, "1000000/1")
    good, headers = operation.good_call(objects), credential_of(operation, objects)
    wrong = []
    for name, call, raw in _calls(operation, good):
        response, seconds = timed(partial(_send_without_effect, operation, call, headers, raw))
        if response.status_code >= 500 or seconds > LONGEST_SECONDS:
            wrong.append((name, response.status_code, round(seconds, 2)))
    assert wrong == []
