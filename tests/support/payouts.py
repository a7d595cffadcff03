"""Helpers for tests of payouts: the behavior of WeChat Pay, later queries, and the states of a withdrawal."""

import base64
import json
from datetime import timedelta
from typing import Any

import time_machine
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import User
from config.models import Scope
from earnings import ledger_check
from earnings.models import Payout, Withdrawal
from earnings.tasks import query_payouts
from tests.support.entry_points import key_with


def fake_pay(sandbox) -> Any:
    """Return the sandbox's fake of WeChat Pay."""
    return next(system for name, system in sandbox.systems if name == "pay")


def set_next_state(sandbox, state: str) -> None:
    sandbox.state.note("next_bill", next_state=state)


def query_later(**later: float) -> None:
    """Query the payouts as a worker six minutes (or `later`) later, when earlier calls can no longer arrive."""
    with time_machine.travel(timezone.now() + timedelta(**(later or {"minutes": 6})), tick=True):
        query_payouts()


def states_of(withdrawal: Withdrawal) -> tuple[int, str]:
    withdrawal.refresh_from_db()
    payout = Payout.objects.get(withdrawal=withdrawal)
    assert ledger_check.find_errors() == []
    return withdrawal.status, payout.state


def payout_states() -> list[str]:
    return sorted(Payout.objects.values_list("state", flat=True))


def bills(sandbox) -> list[tuple[str, int]]:
    return [(bill["state"], bill["requests"]) for bill in sandbox.state.bills.values()]


def notify(sandbox, withdrawal: Withdrawal, **changed: str) -> int:
    """Post the sandbox's signed notification with `changed` headers. Returns the HTTP status."""
    pay = fake_pay(sandbox)
    raw, headers = pay.notification_of(withdrawal.pk.hex)
    return (
        Client()
        .post("/wechat/pay/notify", data=raw, content_type="application/json", headers={**headers, **changed})
        .status_code
    )


def post_signed_notification(
    sandbox, content: Any, *, event: Any = "MCHTRANSFER.BILL.FINISHED", **changed: Any
) -> tuple[int, Any]:
    """Post a correctly signed notification with this content. `changed`: parts of its resource. Returns (status, body)."""
    pay = fake_pay(sandbox)
    sealed = AESGCM(settings.WECHAT_PAY_API_V3_KEY.encode()).encrypt(b"0" * 12, json.dumps(content).encode(), b"x")
    resource = {
        "ciphertext": base64.b64encode(sealed).decode(),
        "nonce": "0" * 12,
        "associated_data": "x",
    } | changed
    raw = json.dumps({"id": "1", "event_type": event, "resource": resource}).encode()
    answer = Client().post(
        "/wechat/pay/notify", data=raw, content_type="application/json", headers=pay._signed(raw)
    )
    return answer.status_code, answer.json()


def block(user: User) -> None:
    assert key_with(Scope.USERS_BLOCK).put(f"/users/{user.pk}/block", {})["code"] == 1200
