"""The list of an operator's sessions, signing out elsewhere, and the end of sessions."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group as Role
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import OperatorChange
from config.backoffice.browsers import browser_name
from config.models import OperatorSession
from config.tasks import forget_ended_sessions
from tests.support.admin_pages import Operator
from tests.support.admin_sign_in import OTHER_PASSWORD, PASSWORD, code_of, password_form

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("enforced_auth")]
PAGE = "/admin/sessions/"
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {_WEBKIT} Chrome/126.0.0.0 Mobile Safari/537.36"


@pytest.fixture
def ann() -> Operator:
    return Operator("finance", username="ann", password=make_password(PASSWORD))


def signed_in(name: str = "ann", password: str = PASSWORD, address: str = "203.0.113.7", **headers: str) -> Client:
    client = Client(headers={"User-Agent": CHROME, **headers}, REMOTE_ADDR=address)
    client.post("/admin/login/", {"username": name, "password": password})
    return client


def is_accepted(client: Client) -> bool:
    """Return whether the next request is accepted, on the pages and in the API."""
    page = client.get("/admin/")
    code = client.post("/admin/withdraw", content_type="application/json").json()["code"]
    assert (page.status_code, code) in ((200, 1200), (302, 1401))
    if page.status_code == 302:
        assert page["Location"].startswith("/admin/login/")
    return code == 1200


def ids(page: str) -> list[str]:
    return re.findall(r'name="session" value="(\w+)"', page)


def row_count(page: str) -> int:
    return page.split("<tbody>")[1].split("</tbody>")[0].count("<tr>")


def test_the_list_shows_moment_address_and_browser(ann):
    with time_machine.travel("2026-12-01T01:00:00Z", tick=False):
        other = signed_in()
    with time_machine.travel("2026-12-01T02:30:00Z", tick=False):
        other.get("/admin/")
    with time_machine.travel("2026-12-01T03:00:00Z", tick=False):
        ann.http.force_login(ann.user)
        page = ann.page("sessions/")
    for shown in ("2026-12-01 09:00:00", "2026-12-01 10:30:00", "203.0.113.7", "Chrome 126, Android"):
        assert shown in page
    assert (row_count(page), page.count("本次登录"), len(ids(page))) == (2, 1, 1)
    assert page.index("本次登录") < page.index("203.0.113.7")


def test_no_key_of_a_session_is_on_the_page(ann):
    other = signed_in()
    page = ann.page("sessions/")
    keys = set(OperatorSession.objects.values_list("session_key", flat=True))
    assert {other.session.session_key, ann.http.session.session_key} == keys
    assert not any(key in page for key in keys)


def test_every_page_links_to_the_sessions_and_browsers_do_not_cache_the_list(ann):
    assert f'href="{PAGE}"' in ann.page("")
    assert "no-store" in ann.http.get(PAGE)["Cache-Control"]


def test_the_list_is_translated_to_english(ann):
    signed_in()
    ann.http.post("/admin/language/", {"language": "en", "next": "/admin/"})
    page = ann.page("sessions/")
    assert "Sign out of all others" in page
    assert set(re.findall("[\u4e00-\u9fff]+", page)) == {"中文"}


def test_signing_out_of_one_session_ends_only_that_session_at_once(ann):
    one, another = signed_in(), signed_in()
    with_one_alone = [key for key in ids(ann.page("sessions/")) if key == one.session["sign_in"]["id"]]
    answer = ann.http.post(PAGE, {"session": with_one_alone}, follow=True)
    assert "已退出该登录" in answer.text
    assert [is_accepted(one), is_accepted(another), is_accepted(ann.http)] == [False, True, True]


def test_signing_out_of_all_others_leaves_this_one(ann):
    others = [signed_in() for _ in range(3)]
    bob = Operator(username="bob")
    page = ann.http.post(PAGE, {"do": "others"}, follow=True).text
    assert "已退出其他全部登录" in page
    assert (row_count(page), "退出其他全部登录</button>" in page) == (1, False)
    assert [is_accepted(one) for one in (*others, ann.http, bob.http)] == [False, False, False, True, True]


def test_a_session_that_was_signed_out_of_cannot_be_used_to_sign_others_out(ann):
    other = signed_in()
    ann.http.post(PAGE, {"do": "others"})
    assert other.post(PAGE, {"do": "others"}).status_code == 302
    assert is_accepted(ann.http)


@pytest.mark.parametrize("whose", ["another operator's", "this one", "unknown", "none"])
def test_a_session_that_is_not_another_own_session_is_404(ann, whose):
    bob = Operator(username="bob")
    named = {
        "another operator's": {"session": bob.http.session["sign_in"]["id"]},
        "this one": {"session": ann.http.session["sign_in"]["id"]},
        "unknown": {"session": "0" * 32},
        "none": {},
    }[whose]
    assert ann.http.post(PAGE, named).status_code == 404
    assert (is_accepted(bob.http), is_accepted(ann.http)) == (True, True)


def test_another_operators_sessions_are_not_listed(ann):
    Operator(username="bob")
    assert row_count(ann.page("sessions/")) == 1


def test_reading_ends_nothing_and_a_form_from_elsewhere_is_refused(ann):
    other = signed_in()
    ann.http.get(PAGE, {"do": "others"})
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ann.user)
    assert strict.post(PAGE, {"do": "others"}).status_code == 403
    assert is_accepted(other)


def test_an_anonymous_visitor_is_redirected_to_the_sign_in():
    assert Client().get(PAGE)["Location"].startswith("/admin/login/")


def test_a_session_that_ended_by_itself_is_not_listed_and_is_forgotten(ann):
    signed_in()
    with time_machine.travel(timezone.now() + timedelta(hours=2, minutes=1), tick=True):
        ann.http.force_login(ann.user)
        assert row_count(ann.page("sessions/")) == 1
        assert OperatorSession.objects.count() == 3
        assert forget_ended_sessions() == 2
        assert is_accepted(ann.http)


def test_a_signed_out_or_cleared_session_is_not_listed(ann):
    one, another = signed_in(), signed_in()
    one.post("/admin/logout/")
    OperatorSession.objects.filter(session_key=another.session.session_key).delete()
    assert row_count(ann.page("sessions/")) == 1


def test_many_sessions_cost_no_more_queries(ann, settings, django_assert_max_num_queries):
    settings.OPERATOR_TWO_FACTOR = True
    device = TOTPDevice.objects.create(user=ann.user, confirmed=True)
    for _ in range(30):
        client = Client()
        client.force_login(ann.user)
        session = client.session
        session["otp_device_id"] = device.persistent_id
        session.save()
    with django_assert_max_num_queries(12):
        page = client.get(PAGE).text
    assert row_count(page) == 30


def test_a_password_without_the_code_is_no_sign_in(ann, settings):
    settings.OPERATOR_TWO_FACTOR = True
    half, whole = signed_in(), signed_in()
    whole.get("/admin/two-factor/")
    whole.post("/admin/two-factor/", {"code": code_of(TOTPDevice.objects.get(user=ann.user))})
    page = whole.get(PAGE).text
    assert (row_count(page), ids(page)) == (1, [])
    assert half.get(PAGE).status_code == 302
    whole.post(PAGE, {"do": "others"})
    assert not OperatorSession.objects.exclude(session_key=whole.session.session_key).exists()


def test_changing_the_own_password_ends_the_other_sessions(ann):
    other = signed_in()
    form = {"old_password": PASSWORD, "new_password1": OTHER_PASSWORD, "new_password2": OTHER_PASSWORD}
    assert ann.http.post("/admin/password_change/", form).status_code == 302
    assert row_count(ann.page("sessions/")) == 1
    assert [is_accepted(other), is_accepted(ann.http)] == [False, True]


def sets_password(ann: Operator) -> None:
    Operator(username="bob").saves(f"accounts/operator/{ann.user.pk}/password/", password_form(OTHER_PASSWORD))
    Operator(username="eve").act("accounts/operatorchange", "confirm", OperatorChange.objects.get())


def sets_password_by_command(ann: Operator) -> None:
    call_command("operator", "ann", "--new-password")


def resets_second_factor(ann: Operator) -> None:
    TOTPDevice.objects.create(user=ann.user, confirmed=True)
    Operator(username="bob").act("accounts/operator", "reset_second_factor", ann.user)
    Operator(username="eve").act("accounts/operatorchange", "confirm", OperatorChange.objects.get())


def resets_second_factor_by_command(ann: Operator) -> None:
    TOTPDevice.objects.create(user=ann.user, confirmed=True)
    call_command("operator", "ann", "--reset-second-factor")


def makes_inactive(ann: Operator) -> None:
    bob, where = Operator(username="bob"), f"accounts/operator/{ann.user.pk}/change/"
    bob.saves(where, bob.opens(where), is_active=[])


@pytest.mark.parametrize(
    "happens",
    [
        sets_password,
        sets_password_by_command,
        resets_second_factor,
        resets_second_factor_by_command,
        makes_inactive,
    ],
)
def test_changes_by_others_end_all_sessions_of_an_operator(ann, happens):
    other = signed_in()
    happens(ann)
    assert [is_accepted(other), is_accepted(ann.http)] == [False, False]


def test_a_session_stays_ended_when_its_operator_is_active_again(ann):
    bob, where = Operator(username="bob"), f"accounts/operator/{ann.user.pk}/change/"
    bob.saves(where, bob.opens(where), is_active=[])
    bob.saves(where, bob.opens(where), is_active="on")
    Operator(username="eve").act("accounts/operatorchange", "confirm", OperatorChange.objects.get())
    ann.user.refresh_from_db()
    assert (ann.user.is_active, is_accepted(ann.http)) == (True, False)


def test_operators_who_deactivate_themselves_are_signed_out(ann):
    chief = Operator("administrator", username="chief")
    where = f"accounts/operator/{chief.user.pk}/change/"
    answer = chief.http.post(f"/admin/{where}", {**chief.opens(where), "is_active": []})
    assert (answer.status_code, is_accepted(chief.http)) == (302, False)


def test_a_removed_permission_ends_with_the_next_request(ann):
    bob, where = Operator(username="bob"), f"accounts/operator/{ann.user.pk}/change/"
    assert ann.sees("earnings/earningsrules/") == 200
    bob.saves(where, bob.opens(where), groups=[Role.objects.get(name="support").pk])
    assert ann.sees("earnings/earningsrules/") == 403
    answer = ann.http.post("/withdraw/review", {"status": 1}, content_type="application/json").json()
    assert answer["code"] == 1401


_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (CHROME, "Chrome 126, Android"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/126.0.0.0 Safari/537.36", "Chrome 126, Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/125.0 Safari/537.36 Edg/125.0.1", "Edge 125, Windows"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Safari/605.1.15", "Safari 17, macOS"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {_SAFARI} Mobile/15E148 Safari/604.1", "Safari 17, iPhone"),
        ("Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) CriOS/126.0 Mobile/15E148 Safari/604.1", "Chrome 126, iPad"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox 127, Linux"),
        (f"Mozilla/5.0 (Linux; Android 13) {_WEBKIT} Chrome/107.0 Mobile Safari/537.36 MicroMessenger/8.0.49", "微信 8, Android"),
        (f"Mozilla/5.0 (Phone; OpenHarmony 5.0) {_WEBKIT} Chrome/114.0 Safari/537.36 HuaweiBrowser/5.0.4", "Huawei Browser 5, HarmonyOS"),
        ("curl/8.5.0", "未知浏览器"),
        ("", "未知浏览器"),
        ("<b>Windows</b>", "Windows"),
    ],
)  # fmt: skip
def test_a_browser_is_called_by_its_short_name(user_agent, name):
    assert browser_name(user_agent) == name


def test_whatever_a_browser_calls_itself_the_list_is_shown(ann):
    signed_in(**{"User-Agent": "<script>" + "\xff" * 5000, "X-Forwarded-For": "x" * 3000})
    page = ann.page("sessions/")
    assert (row_count(page), "<script>\xff" in page, "未知浏览器" in page) == (2, False, True)
