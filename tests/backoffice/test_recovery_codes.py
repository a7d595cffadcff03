"""Recovery codes: shown once and used once, so that a lost phone needs no administrator."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import OperatorChange, User
from config.models import AuditEntry
from tests.support.admin_pages import Operator
from tests.support.admin_sign_in import PASSWORD, code_of, is_signed_in, sign_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/two-factor/"


@pytest.fixture(autouse=True)
def _two_factors(settings) -> None:
    settings.OPERATOR_TWO_FACTOR = True


@pytest.fixture
def enrolled(superuser) -> tuple[Client, list[str]]:
    """Return a client of an operator who has just set up the app, and the recovery codes shown."""
    client = Client()
    sign_in(client)
    page = client.post(PAGE, {"code": code_of(TOTPDevice.objects.get(user=superuser))})
    return client, shown(page.text)


def shown(page: str) -> list[str]:
    return re.findall(r"<li><code>(\w+)</code>", page)


def later(client: Client, what: str, code: str) -> str:
    """Request new recovery codes or a new app, after the app shows another code."""
    return client.post(PAGE, {"code": code, "do": what}, follow=True).text


def enters_with(code: str) -> bool:
    client = Client()
    sign_in(client, code=code)
    return is_signed_in(client)


def test_ten_are_shown_once_after_enrolling(enrolled):
    client, codes = enrolled
    assert (len(set(codes)), StaticToken.objects.count()) == (10, 10)
    page = client.get(PAGE)
    assert "还有 10 个恢复码" in page.text
    assert not any(code in page.text for code in codes)
    assert "no-store" in page["Cache-Control"]


def test_each_recovery_code_works_once(enrolled):
    _client, codes = enrolled
    assert [enters_with(codes[0]), enters_with(codes[0])] == [True, False]
    assert StaticToken.objects.count() == 9


def test_a_recovery_code_may_be_typed_in_capitals_and_groups(enrolled):
    _client, codes = enrolled
    assert enters_with(f" {codes[0][:4]}-{codes[0][4:]} ".upper())


def test_a_recovery_code_is_not_a_password(enrolled):
    _client, codes = enrolled
    client = Client()
    sign_in(client, "wrong", code=codes[0])
    assert (is_signed_in(client), StaticToken.objects.count()) == (False, 10)


def test_a_recovery_code_works_for_its_operator_only(enrolled):
    _client, codes = enrolled
    other = User.objects.create_superuser("other", PASSWORD)
    TOTPDevice.objects.create(user=other, confirmed=True)
    client = Client()
    client.post("/admin/login/", {"username": "other", "password": PASSWORD, "code": codes[0]})
    assert (is_signed_in(client), StaticToken.objects.count()) == (False, 10)


def test_wrong_recovery_codes_delay_the_next_attempt(enrolled):
    _client, codes = enrolled
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        assert [enters_with("aaaaaaaa"), enters_with(codes[0])] == [False, False]
    with time_machine.travel(now + timedelta(seconds=10), tick=False):
        assert enters_with(codes[0])


@pytest.mark.parametrize("code", ["0" * 33, "abc\x00defg", "０１２３４５６７"])
def test_a_strange_code_is_an_ordinary_refusal(enrolled, code):
    client, _codes = enrolled
    assert "errorlist" in later(client, "codes", code)
    assert not enters_with(code)


def test_new_recovery_codes_replace_the_old(enrolled):
    client, codes = enrolled
    new = shown(later(client, "codes", codes[0]))
    assert (len(new), StaticToken.objects.count()) == (10, 10)
    assert not enters_with(codes[1])
    StaticDevice.objects.get().throttle_reset()
    assert enters_with(new[0])


def test_new_recovery_codes_need_a_code(enrolled):
    client, codes = enrolled
    assert "验证码不正确" in later(client, "codes", "aaaaaaaa")
    StaticDevice.objects.get().throttle_reset()
    assert enters_with(codes[0])


def test_a_lost_app_is_replaced_without_an_administrator(enrolled, superuser):
    _lost, codes = enrolled
    client = Client()
    sign_in(client, code=codes[0])
    old = TOTPDevice.objects.get(user=superuser)
    assert "手动输入密钥" in later(client, "replace", codes[1])
    assert TOTPDevice.objects.filter(pk=old.pk, confirmed=True).exists()
    new = TOTPDevice.objects.get(user=superuser, confirmed=False)
    assert len(shown(client.post(PAGE, {"code": code_of(new)}).text)) == 10
    assert [device.pk for device in TOTPDevice.objects.filter(user=superuser)] == [new.pk]
    assert is_signed_in(client)
    assert not enters_with(codes[2])


def test_another_app_needs_a_code_of_the_present_one(enrolled, superuser):
    client, _codes = enrolled
    assert "手动输入密钥" not in later(client, "replace", "aaaaaaaa")
    assert "手动输入密钥" not in client.get(PAGE).text
    assert TOTPDevice.objects.filter(user=superuser).count() == 1


def test_the_audit_log_knows_of_them_and_masks_them(enrolled):
    _client, codes = enrolled
    enters_with(codes[0])
    entries = AuditEntry.objects.filter(table_name="otp_static_statictoken").order_by("id")
    assert [(entry.actor, entry.action) for entry in entries] == [("root", "I")] * 10 + [("root", "D")]
    assert not any(code in str(entry.changes) for entry in entries for code in codes)


def test_a_reset_voids_them_too(enrolled, superuser):
    boss, chief = Operator(), Operator()
    for operator in (boss, chief):
        device = TOTPDevice.objects.create(user=operator.user, confirmed=True)
        session = operator.http.session
        session["otp_device_id"] = device.persistent_id
        session.save()
    boss.act("accounts/operator", "reset_second_factor", superuser)
    chief.act("accounts/operatorchange", "confirm", OperatorChange.objects.get())
    assert not StaticDevice.objects.filter(user=superuser).exists()


def test_no_page_of_the_admin_lists_them(enrolled):
    client, _codes = enrolled
    assert client.get("/admin/otp_static/staticdevice/").status_code == 404
