"""What WeChat Pay tells by itself: POST /wechat/pay/notify, believed by its signature, in any order and number."""

import pytest

from earnings.tasks import send_payouts
from tests.earnings.paying import fault, how_it_stands, notify, turns_out
from tests.factories.money import balance

pytestmark = pytest.mark.django_db


def test_a_notify_ends_what_was_processing(approved, sandbox):
    turns_out(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    assert notify(sandbox, approved) == 200
    assert how_it_stands(approved) == (3, "succeeded")


def test_a_notify_repeated_changes_nothing(approved, alice, sandbox):
    send_payouts()
    assert [notify(sandbox, approved) for _ in range(3)] == [200] * 3
    assert balance(alice) == ("80.00", "0.00")


@pytest.mark.parametrize("header", ["Wechatpay-Signature", "Wechatpay-Timestamp", "Wechatpay-Nonce"])
def test_a_notify_that_somebody_else_wrote_is_refused(approved, sandbox, header: str):
    turns_out(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    assert notify(sandbox, approved, **{header: "1"}) == 401
    assert how_it_stands(approved) == (1, "sent")


def test_notifies_in_the_wrong_order_change_nothing_any_more(approved, sandbox):
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="PROCESSING")
    assert notify(sandbox, approved) == 200
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="FAIL")
    assert notify(sandbox, approved) == 200
    assert how_it_stands(approved) == (3, "succeeded")


def test_a_notify_before_our_own_answer_is_enough(approved, sandbox):
    fault(sandbox, "drop_reply")
    send_payouts()
    sandbox.state.faults.clear()
    assert notify(sandbox, approved) == 200
    assert how_it_stands(approved) == (3, "succeeded")


def test_a_notify_signed_under_another_key_is_refused(approved, sandbox):
    send_payouts()
    assert notify(sandbox, approved, **{"Wechatpay-Serial": "PUB_KEY_ID_OTHER"}) == 401
