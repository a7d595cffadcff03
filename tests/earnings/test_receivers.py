"""The receiver of a payout: the user's WeChat account at the moment of the request."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from earnings import withdrawals
from earnings.models import Payout, Withdrawal
from earnings.tasks import send_payouts
from tests.factories.money import available_and_withdrawing, requested_withdrawal
from tests.support.client import ApiClient
from tests.support.outside_system import set_fault
from tests.support.payouts import bills, query_later, set_next_state, states_of

pytestmark = pytest.mark.django_db


def test_the_receiver_of_a_number_never_changes(approved, alice, sandbox):
    """After a lost answer the same number is sent to the same receiver, although the user has another open_id now."""
    set_fault(sandbox, "pay")
    send_payouts()
    sandbox.state.faults.clear()
    User.objects.filter(pk=alice.pk).update(open_id="open-other")
    query_later()
    assert states_of(approved) == (3, "succeeded")
    assert next(iter(sandbox.state.bills.values()))["openid"] == "open-alice"


def test_the_database_keeps_the_receiver(approved, sandbox):
    send_payouts()
    with pytest.raises(IntegrityError, match="keeps its receiver"), transaction.atomic():
        Payout.objects.update(open_id="open-mallory")


@pytest.mark.parametrize("later", ["", "open-alice"])
def test_without_an_open_id_at_the_request_the_money_is_returned(alice, sandbox, later: str):
    User.objects.filter(pk=alice.pk).update(open_id="")
    asked = requested_withdrawal(alice)
    User.objects.filter(pk=alice.pk).update(open_id=later)
    withdrawals.approve([asked.pk], by="root", at=timezone.now())
    send_payouts()
    assert states_of(asked) == (4, "failed")
    assert "没有绑定微信" in asked.reason
    assert (available_and_withdrawing(alice), bills(sandbox)) == (("100.00", "0.00"), [])


def test_an_open_id_is_paid_in_its_own_app(alice, sandbox, settings):
    settings.WECHAT_APPS = {"sandbox": "s", "second-app": "s"}
    User.objects.filter(pk=alice.pk).update(app_id="second-app")
    withdrawals.approve([requested_withdrawal(alice).pk], by="root", at=timezone.now())
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    assert next(iter(sandbox.state.bills.values()))["appid"] == "second-app"
    assert ApiClient(alice).get("/withdraw")["data"]["confirm"]["app_id"] == "second-app"


def test_a_sign_in_with_another_account_does_not_redirect_the_money(approved, alice, sandbox, settings):
    """The user refreshes the profile in another configured app between the request and the payout."""
    settings.ENFORCE_AUTH = False
    settings.WECHAT_APPS = {"sandbox": "s", "second-app": "s"}
    other = {"open_id": "open-other", "appid": "second-app", "nick_name": "", "head_url": ""}
    assert ApiClient(alice).put(f"/user/refresh/{alice.union_id}", other)["code"] == 1200
    send_payouts()
    [bill] = sandbox.state.bills.values()
    assert (bill["openid"], bill["appid"]) == ("open-alice", "sandbox")


def test_the_database_keeps_the_receiver_of_the_request(approved):
    for change in ({"open_id": "open-mallory"}, {"app_id": "second-app"}):
        with pytest.raises(IntegrityError, match="not changed afterwards"), transaction.atomic():
            Withdrawal.objects.update(**change)


def test_the_database_refuses_a_payout_to_another_receiver(approved):
    now = timezone.now()
    sent = {"state": "sent", "sent_at": now, "called_at": now, "app_id": "sandbox"}
    with pytest.raises(IntegrityError, match="receiver that was asked for"), transaction.atomic():
        Payout.objects.update(open_id="open-mallory", **sent)
    assert Payout.objects.update(open_id="open-alice", **sent) == 1


def test_the_database_refuses_a_receiver_without_app(alice):
    with pytest.raises(IntegrityError, match="receiver_has_open_id_and_app_id"), transaction.atomic():
        Withdrawal.objects.create(
            user=alice, amount=20, asked_at=timezone.now(), asked_day="2026-11-01", open_id="open-alice"
        )
