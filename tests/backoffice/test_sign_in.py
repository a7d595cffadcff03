"""Signing in to the admin: lockout, the second factor, sessions."""

import pytest
import time_machine
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from config.models import AuditEntry
from tests.backoffice.pages import Operator

pytestmark = pytest.mark.django_db
WORD = "a-Long-Word-7"


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", WORD)


def sign_in(client: Client, password: str = WORD, code: str = "", **headers: str) -> str:
    form = {"username": "root", "password": password, "code": code}
    return client.post("/admin/login/?next=/admin/", form, follow=True, headers=headers).text


def code_of(device: TOTPDevice) -> str:
    return f"{totp(device.bin_key):06}"


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def test_the_right_password_lets_in(root):
    client = Client()
    sign_in(client)
    assert is_in(client)


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_a_sign_in_that_may_not_go_on_elsewhere_leads_to_the_first_page(root, target):
    form = {"username": "root", "password": WORD, "next": target}
    answer = Client().post("/admin/login/", form, follow=True)
    assert (answer.redirect_chain, answer.status_code) == ([("/admin/", 302)], 200)


def test_five_wrong_passwords_lock_the_name_for_a_while(root):
    client = Client()
    for _ in range(5):
        sign_in(client, "wrong")
    assert "登录已锁定" in sign_in(client)
    assert not is_in(client)
    with time_machine.travel(root.created_at.timestamp() + 16 * 60, tick=True):
        sign_in(client)
        assert is_in(client)


def test_somebody_else_is_not_locked_out_with_it(root, settings):
    settings.TRUSTED_PROXIES = 1
    for _ in range(5):
        sign_in(Client(), "wrong", **{"X-Forwarded-For": "203.0.113.5"})
    client = Client()
    sign_in(client, **{"X-Forwarded-For": "203.0.113.6"})
    assert is_in(client)


def test_an_administrator_unlocks(root):
    for _ in range(5):
        sign_in(Client(), "wrong")
    Operator().act("accounts/operator", "unlock", root)
    client = Client()
    sign_in(client)
    assert is_in(client)


def test_enrolling_asks_for_the_first_code(root):
    client = Client()
    sign_in(client)
    assert "<svg" in client.get("/admin/two-factor/").text
    device = TOTPDevice.objects.get(user=root)
    assert "验证码不正确" in client.post("/admin/two-factor/", {"code": "000000"}).text
    device.throttle_reset()
    assert "两步验证已启用" in client.post("/admin/two-factor/", {"code": code_of(device)}, follow=True).text
    entry = AuditEntry.objects.get(table_name="otp_totp_totpdevice")
    assert (entry.actor, entry.changes) == ("root", {"confirmed": [False, True]})


def test_who_has_a_second_factor_needs_it(root):
    device = TOTPDevice.objects.create(user=root, confirmed=True)
    client = Client()
    assert "请输入身份验证器上的" in sign_in(client)
    assert not is_in(client)
    sign_in(client, code=code_of(device))
    assert is_in(client)


def test_where_two_factors_are_asked_for_a_password_alone_leads_to_enrolment_and_nowhere_else(root, settings):
    settings.OPERATOR_TWO_FACTOR = True
    client = Client()
    assert "请先完成设置" in sign_in(client)
    assert client.get("/admin/accounts/user/").status_code == 302
    device = TOTPDevice.objects.get(user=root)
    client.post("/admin/two-factor/", {"code": code_of(device)})
    assert is_in(client)


def test_an_operator_without_the_second_factor_has_no_say_at_the_api(root, settings):
    settings.OPERATOR_TWO_FACTOR = settings.ENFORCE_AUTH = True
    client = Client()
    sign_in(client)
    assert client.post("/admin/withdraw", content_type="application/json").json()["code"] == 1401


def test_an_administrator_resets_a_lost_second_factor(root):
    TOTPDevice.objects.create(user=root, confirmed=True)
    assert "已重置 1 条" in Operator().act("accounts/operator", "reset_second_factor", root)
    client = Client()
    sign_in(client)
    assert is_in(client)


def test_a_session_ends_when_nothing_is_clicked(root, settings):
    client = Client()
    sign_in(client)
    assert client.cookies["sessionid"]["max-age"] == settings.SESSION_COOKIE_AGE == 2 * 3600
    with time_machine.travel(root.created_at.timestamp() + 2 * 3600 + 60, tick=True):
        assert not is_in(client)
