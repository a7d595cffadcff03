"""Several verification keys of WeChat Pay: public key and platform certificate, chosen by the serial of the signature."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils import timezone

from config.checks import providers
from earnings.tasks import query_payouts, send_payouts
from integrations.sandbox.pay import SERIAL, FakeWeChatPay
from tests.support.payouts import fake_pay, notify, query_later, set_next_state, states_of

pytestmark = pytest.mark.django_db
CERTIFIED = "5157F09EFDC096DE"


def certificate_file(folder: Path, key: rsa.RSAPrivateKey, *, days: int = 30) -> str:
    now, name = timezone.now(), x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), int(CERTIFIED, 16))
    builder = builder.not_valid_before(now - timedelta(days=60)).not_valid_after(now + timedelta(days=days))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    return str(folder / "certificate.pem")


@pytest.fixture
def other_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def pay(sandbox, monkeypatch) -> FakeWeChatPay:
    pay_system = fake_pay(sandbox)
    monkeypatch.setattr(pay_system, "own_serial", SERIAL)  # monkeypatch restores both after the test
    monkeypatch.setattr(pay_system, "own_key", pay_system.own_key)
    return pay_system


def sign_with(pay: FakeWeChatPay, key: rsa.RSAPrivateKey, serial: str = CERTIFIED) -> None:
    pay.own_key, pay.own_serial = key, serial


def test_answers_signed_with_any_configured_key_are_accepted(approved, sandbox, pay, settings, tmp_path, other_key):
    settings.WECHAT_PAY_MORE_KEYS = {CERTIFIED: certificate_file(tmp_path, other_key)}
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    sign_with(pay, other_key)
    query_later()
    assert states_of(approved) == (3, "succeeded")


@pytest.mark.parametrize("by_certificate", [True, False])
def test_notifies_signed_with_any_configured_key_are_accepted(
    approved, sandbox, pay, settings, tmp_path, other_key, by_certificate: bool
):
    settings.WECHAT_PAY_MORE_KEYS = {CERTIFIED: certificate_file(tmp_path, other_key)}
    if by_certificate:
        sign_with(pay, other_key)
    assert send_payouts() == 1
    assert notify(sandbox, approved) == 200


def test_a_notification_signed_with_an_unknown_key_is_refused(approved, sandbox, pay, other_key):
    send_payouts()
    sign_with(pay, other_key)
    assert notify(sandbox, approved) == 401


def test_a_key_is_valid_under_its_own_serial_only(approved, sandbox, pay, settings, tmp_path, other_key):
    settings.WECHAT_PAY_MORE_KEYS = {CERTIFIED: certificate_file(tmp_path, other_key)}
    send_payouts()
    sign_with(pay, other_key, serial=SERIAL)
    assert notify(sandbox, approved) == 401
    query_payouts()


def test_a_certificate_can_be_the_main_key(approved, sandbox, pay, settings, tmp_path, other_key):
    settings.WECHAT_PAY_PUBLIC_KEY_ID = CERTIFIED
    settings.WECHAT_PAY_PUBLIC_KEY_FILE = Path(certificate_file(tmp_path, other_key))
    sign_with(pay, other_key)
    send_payouts()
    assert states_of(approved) == (3, "succeeded")


@pytest.mark.parametrize(
    ("serial", "days", "is_found"),
    [(CERTIFIED, 30, False), (CERTIFIED, -1, True), ("77", 30, True), ("x", 30, True)],
)
def test_the_check_finds_unusable_certificates(
    settings, tmp_path, other_key, serial: str, days: int, is_found: bool
):
    settings.WECHAT_PAY_MORE_KEYS = {serial: certificate_file(tmp_path, other_key, days=days)}
    messages = [error.msg for error in providers(None)]
    assert any(message.startswith("WECHAT_PAY_MORE_KEYS") for message in messages) is is_found


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nx", b"nonsense"])
def test_the_check_finds_files_without_a_key(settings, tmp_path, content: bytes):
    (tmp_path / "key.pem").write_bytes(content)
    settings.WECHAT_PAY_MORE_KEYS = {"PUB_KEY_ID_2": str(tmp_path / "key.pem")}
    assert any(error.msg.startswith("WECHAT_PAY_MORE_KEYS") for error in providers(None))
