"""POST /wechat/pay/notify: WeChat Pay's notifications, authenticated by signature, in any order and number."""

import pytest

from earnings.tasks import send_payouts
from tests.factories.money import available_and_withdrawing
from tests.support.outside_system import set_fault
from tests.support.payouts import notify, post_signed_notification, set_next_state, states_of

pytestmark = pytest.mark.django_db


def test_a_notification_ends_a_processing_payout(approved, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    assert notify(sandbox, approved) == 200
    assert states_of(approved) == (3, "succeeded")


def test_a_repeated_notification_changes_nothing(approved, alice, sandbox):
    send_payouts()
    assert [notify(sandbox, approved) for _ in range(3)] == [200] * 3
    assert available_and_withdrawing(alice) == ("80.00", "0.00")


@pytest.mark.parametrize("header", ["Wechatpay-Signature", "Wechatpay-Timestamp", "Wechatpay-Nonce"])
def test_a_forged_notification_is_refused(approved, sandbox, header: str):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    assert notify(sandbox, approved, **{header: "1"}) == 401
    assert states_of(approved) == (1, "sent")


def test_notifies_after_the_end_change_nothing(approved, sandbox):
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="PROCESSING")
    assert notify(sandbox, approved) == 200
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="FAIL")
    assert notify(sandbox, approved) == 200
    assert states_of(approved) == (3, "succeeded")


def test_a_notification_ends_a_payout_whose_answer_was_lost(approved, sandbox):
    set_fault(sandbox, "pay", "drop_reply")
    send_payouts()
    sandbox.state.faults.clear()
    assert notify(sandbox, approved) == 200
    assert states_of(approved) == (3, "succeeded")


def test_a_notification_signed_under_another_key_is_refused(approved, sandbox):
    send_payouts()
    assert notify(sandbox, approved, **{"Wechatpay-Serial": "PUB_KEY_ID_OTHER"}) == 401


BILL = {"out_bill_no": "0" * 32, "state": "SUCCESS", "transfer_amount": 2000}


@pytest.mark.parametrize(
    "payload",
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
def test_a_signed_notification_without_a_bill_is_400_so_that_it_is_repeated(sandbox, payload):
    status, answer = post_signed_notification(sandbox, payload)
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
def test_a_signed_notification_that_cannot_be_decrypted_is_400_so_that_it_is_repeated(sandbox, changed: dict):
    status, answer = post_signed_notification(sandbox, BILL, **changed)
    assert (status, answer["code"]) == (400, 1403)


def test_a_notification_encrypted_with_another_key_has_its_own_message(sandbox):
    status, answer = post_signed_notification(sandbox, BILL, nonce="1" * 12)
    assert (status, answer["description"]) == (400, "通知的内容无法解密，请检查 APIv3 密钥")


@pytest.mark.parametrize("event", ["TRANSACTION.SUCCESS", "REFUND.SUCCESS", "PAYSCORE.USER_PAID"])
def test_a_signed_notification_of_another_event_is_400(approved, sandbox, event: str):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    status, answer = post_signed_notification(sandbox, BILL | {"out_bill_no": approved.pk.hex}, event=event)
    assert (status, answer["code"], event in answer["description"]) == (400, 1403, True)
    assert states_of(approved) == (1, "sent")


def test_a_signed_notification_about_an_unknown_bill_is_accepted_and_changes_nothing(sandbox):
    assert post_signed_notification(sandbox, BILL)[0] == 200
    assert post_signed_notification(sandbox, BILL | {"out_bill_no": "somebody's"})[0] == 200
