"""What WeChat Pay tells by itself: POST /wechat/pay/notify, believed by its signature, in any order and number."""

import pytest

from earnings.tasks import send_payouts
from tests.factories.money import balance
from tests.support.payouts import notify, set_fault, set_next_state, signed_notify, states_of

pytestmark = pytest.mark.django_db


def test_a_notify_ends_what_was_processing(approved, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    assert notify(sandbox, approved) == 200
    assert states_of(approved) == (3, "succeeded")


def test_a_notify_repeated_changes_nothing(approved, alice, sandbox):
    send_payouts()
    assert [notify(sandbox, approved) for _ in range(3)] == [200] * 3
    assert balance(alice) == ("80.00", "0.00")


@pytest.mark.parametrize("header", ["Wechatpay-Signature", "Wechatpay-Timestamp", "Wechatpay-Nonce"])
def test_a_notify_that_somebody_else_wrote_is_refused(approved, sandbox, header: str):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    assert notify(sandbox, approved, **{header: "1"}) == 401
    assert states_of(approved) == (1, "sent")


def test_notifies_in_the_wrong_order_change_nothing_any_more(approved, sandbox):
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="PROCESSING")
    assert notify(sandbox, approved) == 200
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="FAIL")
    assert notify(sandbox, approved) == 200
    assert states_of(approved) == (3, "succeeded")


def test_a_notify_before_our_own_answer_is_enough(approved, sandbox):
    set_fault(sandbox, "drop_reply")
    send_payouts()
    sandbox.state.faults.clear()
    assert notify(sandbox, approved) == 200
    assert states_of(approved) == (3, "succeeded")


def test_a_notify_signed_under_another_key_is_refused(approved, sandbox):
    send_payouts()
    assert notify(sandbox, approved, **{"Wechatpay-Serial": "PUB_KEY_ID_OTHER"}) == 401


BILL = {"out_bill_no": "0" * 32, "state": "SUCCESS", "transfer_amount": 2000}


@pytest.mark.parametrize(
    "told",
    [
        {"out_bill_no": "0" * 32},
        BILL | {"state": None},
        BILL | {"state": 1},
        BILL | {"state": ""},
        BILL | {"out_bill_no": None},
        BILL | {"out_bill_no": 7},
        BILL | {"transfer_amount": "2000"},
        {},
        [],
        None,
        "SUCCESS",
    ],
    ids=str,
)
def test_a_signed_notify_that_says_nothing_of_a_bill_is_400_so_that_it_comes_again(sandbox, told):
    status, answer = signed_notify(sandbox, told)
    assert (status, answer["code"]) == (400, 1403)
    assert "签名" not in answer["description"]


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": 7},
        {"nonce": None},
        {"nonce": "1"},
        {"ciphertext": None},
        {"ciphertext": "!"},
        {"associated_data": 7},
    ],
    ids=str,
)
def test_a_signed_notify_that_cannot_be_opened_is_400_so_that_it_comes_again(sandbox, changed: dict):
    status, answer = signed_notify(sandbox, BILL, **changed)
    assert (status, answer["code"]) == (400, 1403)


def test_contents_sealed_with_another_key_are_named(sandbox):
    status, answer = signed_notify(sandbox, BILL, nonce="1" * 12)
    assert (status, answer["description"]) == (400, "通知的内容无法解密，请检查 APIv3 密钥")


@pytest.mark.parametrize("event", ["TRANSACTION.SUCCESS", "REFUND.SUCCESS", "PAYSCORE.USER_PAID"])
def test_a_signed_notify_of_another_kind_is_no_wrong_signature(approved, sandbox, event: str):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    status, answer = signed_notify(sandbox, BILL | {"out_bill_no": approved.pk.hex}, event=event)
    assert (status, answer["code"], event in answer["description"]) == (400, 1403, True)
    assert states_of(approved) == (1, "sent")


def test_a_signed_notify_about_no_bill_of_ours_is_taken_and_changes_nothing(sandbox):
    assert signed_notify(sandbox, BILL)[0] == 200
    assert signed_notify(sandbox, BILL | {"out_bill_no": "somebody's"})[0] == 200
