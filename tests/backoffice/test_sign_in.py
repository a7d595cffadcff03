"""Signing in to the admin: lockout, the second factor, sessions."""

from urllib.parse import urlencode

import pytest
import time_machine
from django.test import Client, RequestFactory
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import OperatorChange
from config.backoffice import sign_in as sign_in_page
from config.models import AuditEntry
from tests.support.admin_pages import Operator
from tests.support.admin_sign_in import PASSWORD, code_of, is_signed_in, sign_in

pytestmark = pytest.mark.django_db


def test_the_right_password_signs_in(superuser):
    client = Client()
    sign_in(client)
    assert is_signed_in(client)


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_a_sign_in_that_may_not_go_on_elsewhere_leads_to_the_first_page(superuser, target):
    form = {"username": "root", "password": PASSWORD, "next": target}
    answer = Client().post("/admin/login/", form, follow=True)
    assert (answer.redirect_chain, answer.status_code) == ([("/admin/", 302)], 200)


def test_five_wrong_passwords_lock_the_name_for_a_while(superuser):
    client = Client()
    for _ in range(5):
        sign_in(client, "wrong")
    assert "登录已锁定" in sign_in(client)
    assert not is_signed_in(client)
    with time_machine.travel(superuser.created_at.timestamp() + 16 * 60, tick=True):
        sign_in(client)
        assert is_signed_in(client)


@pytest.mark.parametrize("code", ["9" * 33, "9" * 9_000])
@pytest.mark.parametrize("name", ["root", "r" * 65, "r" * 256, "r" * 9_000, "\ufdfa" * 64, "r\x00", "\ud800"])
def test_a_name_or_code_of_any_length_is_an_ordinary_refusal(superuser, name, code):
    body = urlencode({"username": name, "password": "wrong", "code": code}, errors="surrogatepass")
    client = Client(raise_request_exception=False)
    answer = client.post("/admin/login/", body, content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, "errorlist" in answer.text) == (200, True)


def test_a_password_of_any_length_is_an_ordinary_refusal_and_not_hashed(superuser, monkeypatch):
    hashed = []
    monkeypatch.setattr(
        "django.contrib.auth.hashers.PBKDF2PasswordHasher.encode", lambda *args: hashed.append(args)
    )
    assert 'name="password"' in sign_in(Client(raise_request_exception=False), "p" * 257)
    assert hashed == []


@pytest.mark.parametrize("query", ["?a=%00", f"?next={'/' * 5000}", "?next=%00", f"?{'a' * 3000}=%ff"])
def test_a_strange_address_of_the_sign_in_page_is_an_ordinary_refusal(superuser, query):
    client = Client(raise_request_exception=False)
    form = {"username": "root", "password": "wrong", "next": "\x00" * 9}
    headers = {"User-Agent": "u" * 5000, "Accept": "a" * 5000}
    answer = client.post(f"/admin/login/{query}", form, headers=headers)
    assert (answer.status_code, "errornote" in answer.text) == (200, True)


@pytest.mark.parametrize("language", ["x" * 100_000, "\x00", "en\r\nSet-Cookie: a=b", "\ufdfa"])
def test_a_strange_choice_of_language_changes_nothing(language):
    client = Client(raise_request_exception=False)
    answer = client.post("/admin/language/", {"language": language, "next": "\x00" * 5000})
    assert (answer.status_code, "django_language" in answer.cookies) == (302, False)


def test_too_many_attempts_of_an_address_are_refused_before_a_password_is_looked_at(superuser, settings):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "operator_sign_in": "2/60"}
    client = Client()
    for name in ("nobody", "somebody"):
        client.post("/admin/login/", {"username": name, "password": "wrong"})
    answer = client.post("/admin/login/", {"username": "root", "password": PASSWORD})
    assert (answer.status_code, f"请 {answer['Retry-After']} 秒后再试" in answer.text) == (429, True)
    assert 50 <= int(answer["Retry-After"]) <= 60
    assert not is_signed_in(client)


def test_while_another_password_is_checked_none_is(superuser):
    """A check takes a third of a second of CPU: many at once would stop the service."""
    client = Client()
    with sign_in_page.password_slot(RequestFactory().get("/admin/login/")):
        answer = client.post("/admin/login/", {"username": "root", "password": PASSWORD})
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    assert "正在登录的人太多，请过一会儿再试。" in answer.text
    assert not is_signed_in(client)
    sign_in(client)
    assert is_signed_in(client)


def test_the_limit_is_of_the_address_and_not_of_everybody(superuser, settings):
    settings.TRUSTED_PROXIES = 1
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "operator_sign_in": "1/60"}
    for _ in range(2):
        sign_in(Client(), "wrong", **{"X-Forwarded-For": "203.0.113.5"})
    client = Client()
    sign_in(client, **{"X-Forwarded-For": "203.0.113.6"})
    assert is_signed_in(client)


def test_looking_at_the_sign_in_page_is_no_attempt(settings):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "operator_sign_in": "0/60"}
    assert Client().get("/admin/login/").status_code == 200


def test_somebody_else_is_not_locked_out_with_it(superuser, settings):
    settings.TRUSTED_PROXIES = 1
    for _ in range(5):
        sign_in(Client(), "wrong", **{"X-Forwarded-For": "203.0.113.5"})
    client = Client()
    sign_in(client, **{"X-Forwarded-For": "203.0.113.6"})
    assert is_signed_in(client)


def test_an_administrator_unlocks(superuser):
    for _ in range(5):
        sign_in(Client(), "wrong")
    Operator().act("accounts/operator", "unlock", superuser)
    client = Client()
    sign_in(client)
    assert is_signed_in(client)


def test_enrolling_asks_for_the_first_code(superuser):
    client = Client()
    sign_in(client)
    assert "<svg" in client.get("/admin/two-factor/").text
    device = TOTPDevice.objects.get(user=superuser)
    assert "验证码不正确" in client.post("/admin/two-factor/", {"code": "000000"}).text
    device.throttle_reset()
    assert "两步验证已启用" in client.post("/admin/two-factor/", {"code": code_of(device)}, follow=True).text
    entry = AuditEntry.objects.get(table_name="otp_totp_totpdevice")
    assert (entry.actor, entry.changes) == ("root", {"confirmed": [False, True]})


def test_an_operator_with_a_second_factor_needs_it(superuser):
    device = TOTPDevice.objects.create(user=superuser, confirmed=True)
    client = Client()
    assert "请输入身份验证器上的" in sign_in(client)
    assert not is_signed_in(client)
    sign_in(client, code=code_of(device))
    assert is_signed_in(client)


def test_where_two_factors_are_asked_for_a_password_alone_leads_to_enrolment_and_nowhere_else(superuser, settings):
    settings.OPERATOR_TWO_FACTOR = True
    client = Client()
    assert "请先完成设置" in sign_in(client)
    assert client.get("/admin/accounts/user/").status_code == 302
    device = TOTPDevice.objects.get(user=superuser)
    client.post("/admin/two-factor/", {"code": code_of(device)})
    assert is_signed_in(client)


def test_an_operator_without_the_second_factor_is_refused_by_the_api(superuser, settings):
    settings.OPERATOR_TWO_FACTOR = settings.ENFORCE_AUTH = True
    client = Client()
    sign_in(client)
    assert client.post("/admin/withdraw", content_type="application/json").json()["code"] == 1401


def test_two_administrators_reset_a_lost_second_factor(superuser):
    TOTPDevice.objects.create(user=superuser, confirmed=True)
    Operator().act("accounts/operator", "reset_second_factor", superuser)
    Operator().act("accounts/operatorchange", "confirm", OperatorChange.objects.get())
    client = Client()
    sign_in(client)
    assert is_signed_in(client)


def test_a_session_ends_when_nothing_is_clicked(superuser, settings):
    client = Client()
    sign_in(client)
    assert client.cookies["sessionid"]["max-age"] == settings.SESSION_COOKIE_AGE == 2 * 3600
    with time_machine.travel(superuser.created_at.timestamp() + 2 * 3600 + 60, tick=True):
        assert not is_signed_in(client)
