"""WeChat proofs: lifetime, renewal, end by block or sign-out, and new authorization of browsers without a proof."""

from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import signing
from django.test import Client
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from accounts.authentication import issue_token
from accounts.blocking import block, unblock
from accounts.models import User
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.wechat_browser import IDENTITY, browser_with_proof, sign_in_with_proof

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("enforced_auth")]
PROOF = "wechat_proof"


@pytest.fixture
def alice() -> User:
    return UserFactory(union_id="union-alice", open_id="open-alice")


def is_sent_back(response: Any) -> bool:
    """Return whether the response deletes the client's identity cookie, on every path."""
    cookie = response.cookies.get(IDENTITY)
    return cookie is not None and (cookie.value, cookie["max-age"], cookie["path"]) == ("", 0, "/")


@pytest.mark.parametrize(
    ("later", "code"), [(timedelta(hours=3), 1200), (timedelta(days=89), 1200), (timedelta(days=91), 1401)]
)
def test_a_proof_is_valid_for_ninety_days(alice, sandbox, later, code):
    browser = browser_with_proof()
    with time_machine.travel(timezone.now() + later):
        assert sign_in_with_proof(browser).json()["code"] == code


def test_each_sign_in_renews_the_proof_for_ninety_days(alice, sandbox):
    browser = browser_with_proof()
    for days in (80, 160, 240):
        with time_machine.travel(timezone.now() + timedelta(days=days)):
            assert sign_in_with_proof(browser).json()["code"] == 1200
    with time_machine.travel(timezone.now() + timedelta(days=331)):
        assert sign_in_with_proof(browser).json()["code"] == 1401


def test_a_browser_with_the_clients_identity_and_no_proof_is_sent_back_to_wechat(alice):
    browser = Client()
    browser.cookies[IDENTITY] = b64encode(b"union-alice").decode()
    status = browser.get("/app/status")
    assert (status.json()["code"], is_sent_back(status)) == (1200, True)


def test_a_refused_sign_in_sends_the_browser_back_to_wechat(alice, sandbox):
    refused = sign_in_with_proof(browser_with_proof("mallory"))
    assert (refused.json()["code"], is_sent_back(refused)) == (1401, True)


def test_a_browser_with_a_live_proof_keeps_its_identity(alice, sandbox):
    browser = browser_with_proof()
    assert not is_sent_back(browser.get("/app/status"))
    assert not is_sent_back(sign_in_with_proof(browser))


def test_a_caller_without_the_clients_cookie_gets_no_cookies(alice):
    assert Client().get("/app/status").cookies == {}
    assert IDENTITY not in sign_in_with_proof(Client()).cookies


def test_the_open_mode_sends_nobody_back(alice, settings):
    settings.ENFORCE_AUTH = False
    browser = Client()
    browser.cookies[IDENTITY] = b64encode(b"union-alice").decode()
    assert not is_sent_back(browser.get("/app/status"))


def test_two_phones_of_one_user_are_signed_in_at_the_same_time(alice, sandbox):
    first, second = browser_with_proof(), browser_with_proof()
    assert [sign_in_with_proof(browser).json()["code"] for browser in (first, second, first)] == [1200] * 3


def test_blocking_ends_the_proof_and_a_new_proof_allows_reading(alice, sandbox):
    browser = browser_with_proof()
    block(user=alice, by="root", reason="作弊", at=timezone.now())
    assert sign_in_with_proof(browser).json()["code"] == 1401
    token = sign_in_with_proof(browser_with_proof()).json()["access_token"]
    assert Client().get("/users/block_verify", headers={"Authorization": f"Bearer {token}"}).json()["data"] is True


def test_an_unblocked_user_signs_in_again(alice, sandbox):
    block(user=alice, by="root", reason="作弊", at=timezone.now())
    unblock(user=alice, at=timezone.now())
    assert sign_in_with_proof(browser_with_proof()).json()["code"] == 1200


def test_an_operator_signs_a_user_out_on_every_device(alice, sandbox):
    browser, headers = browser_with_proof(), {"Authorization": f"Bearer {issue_token(alice)}"}
    Operator().act("accounts/user/", "sign_out", alice)
    assert sign_in_with_proof(browser).json()["code"] == 1401
    assert Client().get("/auth/me", headers=headers).json()["code"] == 1401
    with time_machine.travel(timezone.now() + timedelta(seconds=2)):
        assert sign_in_with_proof(browser_with_proof()).json()["code"] == 1200


def test_an_inactive_user_cannot_sign_in(alice, sandbox):
    browser = browser_with_proof()
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert sign_in_with_proof(browser).json()["code"] == 1401


VALID_PAYLOAD = {"union_id": "union-alice", "open_id": "o", "app_id": "sandbox", "issued_at": 1e12}


@pytest.mark.parametrize(
    "payload",
    [
        [1],
        "text",
        5,
        None,
        {},
        {"union_id": "union-alice"},
        {**VALID_PAYLOAD, "extra": 1},
        {**VALID_PAYLOAD, "issued_at": "x"},
        {**VALID_PAYLOAD, "union_id": ["a"]},
    ],
    ids=str,
)
def test_a_signed_cookie_that_is_no_proof_is_refused(alice, payload):
    browser = Client()
    browser.cookies[PROOF] = signing.dumps(payload, salt="accounts.wechat_proof")
    assert sign_in_with_proof(browser).json()["code"] == 1401


def refresh(browser: Client, user: User, **sent: Any) -> int:
    body = {"appid": "other-app", "open_id": "open-of-somebody", "nick_name": "新名", "head_url": None, **sent}
    headers = {"Authorization": f"Bearer {issue_token(user)}"}
    path = f"/user/refresh/{user.union_id}"
    return browser.put(path, body, content_type="application/json", headers=headers).json()["code"]


def test_a_refresh_stores_the_open_id_of_the_proof(alice, sandbox):
    assert refresh(browser_with_proof(), alice) == 1200
    alice.refresh_from_db()
    assert (alice.open_id, alice.app_id, alice.nickname) == ("open-alice", "sandbox", "新名")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("小\n爱", "小 爱"), ("\u202e小爱\u202c", "小爱"), ("小\u202d爱", "小爱"), ("\u3000小爱❤️", "小爱❤️")],
)
def test_a_nickname_is_stored_as_one_line(alice, sandbox, sent, kept):
    assert refresh(browser_with_proof(), alice, nick_name=sent) == 1200
    alice.refresh_from_db()
    assert alice.nickname == kept


@pytest.mark.parametrize("blank", ["", None, "\u200b", "\u3164", "\u202e"])
def test_a_blank_nickname_and_picture_change_nothing(sandbox, blank):
    alice = UserFactory(union_id="union-alice", nickname="小爱", avatar_url="http://a.cn/1.png")
    assert refresh(browser_with_proof(), alice, nick_name=blank, head_url=blank, open_id=blank) == 1200
    alice.refresh_from_db()
    assert (alice.nickname, alice.avatar_url) == ("小爱", "http://a.cn/1.png")


def test_in_the_open_mode_a_blank_open_id_changes_nothing(settings):
    settings.ENFORCE_AUTH = False
    alice = UserFactory(open_id="open-alice", app_id="sandbox")
    assert refresh(Client(), alice, open_id="") == 1200
    alice.refresh_from_db()
    assert (alice.open_id, alice.app_id) == ("open-alice", "sandbox")


def test_an_earlier_proof_stays_invalid_after_unblocking(alice, sandbox):
    browser = browser_with_proof()
    block(user=alice, by="root", reason="手机被盗", at=timezone.now())
    unblock(user=alice, at=timezone.now())
    assert sign_in_with_proof(browser).json()["code"] == 1401


def test_a_token_without_issue_time_is_invalid_after_a_sign_out(alice):
    token = AccessToken.for_user(alice)
    del token["iat"]
    User.objects.filter(pk=alice.pk).update(signed_out_at=timezone.now())
    assert Client().get("/auth/me", headers={"Authorization": f"Bearer {token}"}).json()["code"] == 1401


def test_a_navigation_by_a_foreign_link_sets_no_proof(sandbox):
    answer = Client().get(
        "/wechat/user_info", {"app_id": "sandbox", "code": "mallory"}, headers={"Sec-Fetch-Mode": "navigate"}
    )
    assert PROOF not in answer.cookies


@pytest.mark.parametrize("nothing", ["null", "undefined"])
def test_the_texts_null_and_undefined_change_nothing(sandbox, nothing):
    alice = UserFactory(union_id="union-alice", nickname="小爱", avatar_url="http://a.cn/1.png")
    assert refresh(browser_with_proof(), alice, nick_name=nothing, head_url=nothing) == 1200
    alice.refresh_from_db()
    assert (alice.nickname, alice.avatar_url) == ("小爱", "http://a.cn/1.png")


def test_a_user_cannot_refresh_another_user(alice, sandbox):
    mallory = UserFactory(union_id="union-mallory", open_id="open-mallory")
    body = {"appid": "sandbox", "open_id": "open-mallory", "nick_name": "m", "head_url": ""}
    headers = {"Authorization": f"Bearer {issue_token(mallory)}"}
    answer = browser_with_proof("mallory").put(
        "/user/refresh/union-alice", body, content_type="application/json", headers=headers
    )
    alice.refresh_from_db()
    assert (answer.json()["code"], alice.open_id) == (1404, "open-alice")
