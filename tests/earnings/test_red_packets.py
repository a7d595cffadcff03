"""The red packet requested separately from the completion: paid if unpaid, never twice."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from earnings.models import LedgerTransaction, TransactionKind
from tests.factories.money import available_and_withdrawing
from tests.factories.people import UserFactory
from tests.support.client import ApiClient

pytestmark = pytest.mark.django_db


def test_the_completion_pays_the_red_packet_and_the_user_opens_it():
    user = UserFactory(union_id=None, completed_at=None)
    profile = {"union_id": "u", "open_id": "o", "nick_name": "alice", "head_url": "", "appid": "sandbox"}
    ApiClient().put(f"/user/{user.pk}", profile)
    alice = ApiClient(user)
    assert alice.get("/received/redpacket")["data"] is False
    alice.get("/receive/redpacket")
    assert alice.get("/received/redpacket")["data"] is True


def test_a_red_packet_unpaid_at_the_completion_is_paid_on_request():
    alice = UserFactory()
    paid = ApiClient(alice).get("/receive/redpacket")["data"]["red_packet"]
    assert Decimal("0.60") <= Decimal(paid) <= Decimal("0.70")
    assert available_and_withdrawing(alice) == (paid, "0.00")


def test_a_request_after_the_completion_returns_the_amount_paid_then():
    alice = UserFactory(union_id=None, completed_at=None)
    profile = {"union_id": "u", "open_id": "o", "nick_name": "alice", "head_url": "", "appid": "sandbox"}
    paid = ApiClient().put(f"/user/{alice.pk}", profile)["data"]["red_packed"]
    assert ApiClient(alice).get("/receive/redpacket")["data"] == {"red_packet": f"{paid:.2f}"}
    assert available_and_withdrawing(alice) == (f"{paid:.2f}", "0.00")


def test_a_blocked_user_receives_nothing():
    alice = UserFactory(blocked_at=timezone.now())
    assert ApiClient(alice).get("/receive/redpacket")["code"] == 1401
    assert not LedgerTransaction.objects.exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_concurrent_requests_pay_the_red_packet_once():
    alice = UserFactory()

    def receive(_: int) -> str:
        try:
            return ApiClient(alice).get("/receive/redpacket")["data"]["red_packet"]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        [paid] = set(threads.map(receive, range(16)))
    assert LedgerTransaction.objects.filter(kind=TransactionKind.RED_PACKET).count() == 1
    assert available_and_withdrawing(alice) == (paid, "0.00")
