"""The rules of operators' passwords, for every way to set a password."""

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from tests.support.admin_pages import Operator

pytestmark = pytest.mark.django_db
GOOD = "a-Long-Word-7"


def adds(password: str) -> str:
    form = {"username": "wang.xiaoming", "usable_password": "true", "password1": password, "password2": password}
    return Operator().saves("accounts/operator/add/", form)


def is_made() -> bool:
    return User.objects.filter(username="wang.xiaoming").exists()


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("Zk7-vq2-Xw5", "密码长度太短。密码必须包含至少 12 个字符。"),
        ("x7-" * 86, "密码最多 256 个字符。"),
        ("1qaz2wsx3edc", "这个密码太常见了。"),
        ("Qwerty123456", "这个密码太常见了。"),
        ("824613579024", "密码只包含数字。"),
        ("wang.xiaoming1", "密码跟 登录名 太相似了。"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password, why):
    assert why in adds(password)
    assert not is_made()


def test_a_password_of_twelve_characters_is_accepted():
    adds("Zk7-vq2-Xw5m")
    assert is_made()


@pytest.mark.parametrize("where", ["accounts/operator/add/", "password_change/", "accounts/operator/{}/password/"])
def test_every_form_shows_the_rules_in_chinese(where):
    operator = Operator()
    page = operator.page(where.format(operator.user.pk))
    for rule in ("至少 12 个字符", "最多 256 个字符", "不能是一个常见密码", "不能全都是数字", "太相似"):
        assert rule in page


@pytest.mark.parametrize("password", ["Zk7-vq2-Xw5", "1qaz2wsx3edc", "x7-" * 86])
def test_changing_the_own_password_follows_the_rules_too(password):
    operator = Operator()
    operator.user.set_password(GOOD)
    operator.user.save()
    operator.http.force_login(operator.user)
    form = {"old_password": GOOD, "new_password1": password, "new_password2": password}
    assert "errorlist" in operator.http.post("/admin/password_change/", form).text
    operator.user.refresh_from_db()
    assert operator.user.check_password(GOOD)


def test_the_longest_password_signs_in():
    password = "x7-" * 85 + "!"
    adds(password)
    answer = Operator().http.post("/admin/login/", {"username": "wang.xiaoming", "password": password})
    assert answer.status_code == 302


def test_the_command_line_obeys_them_too(monkeypatch):
    User.objects.create_superuser("root", GOOD)
    monkeypatch.setattr("getpass.getpass", lambda prompt="": "1qaz2wsx3edc")
    with pytest.raises(CommandError, match="Aborting password change"):
        call_command("changepassword", "root")
