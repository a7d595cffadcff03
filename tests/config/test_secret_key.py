"""Signatures with an earlier SECRET_KEY are accepted until it is removed; the new key signs."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.tokens import UserToken
from config.api.proofs import COOKIE
from earnings.models import Withdrawal
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.identity_cards import REAL, enter_card
from tests.support.moderation import WORDS, preview
from tests.support.phones import code_sent, prove_phone
from tests.support.wechat_browser import WeChatBrowser, browser_with_proof, page_of, path_of, sign_in_with_proof

pytestmark = pytest.mark.django_db
OLD, NEW = "old-" + "o" * 50, "new-" + "n" * 50
Change = Callable[..., None]


@pytest.fixture
def change(settings: Any) -> Change:
    """Change the key: the old key signed before, the new key signs from now on."""
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS, settings.ENFORCE_AUTH = OLD, [], True

    def to_the_new_key(*, is_old_accepted: bool) -> None:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD] if is_old_accepted else []

    return to_the_new_key


accepted_and_not = pytest.mark.parametrize("is_old_accepted", [True, False])


@pytest.fixture
def alice() -> User:
    return UserFactory(union_id="union-alice", open_id="open-alice", phone="13800138001")


@accepted_and_not
def test_an_access_token(change, alice, is_old_accepted):
    client = ApiClient(alice)
    change(is_old_accepted=is_old_accepted)
    assert client.get("/auth/me")["code"] == (1200 if is_old_accepted else 1401)


def test_a_new_token_is_signed_by_the_new_key(change, settings, alice):
    change(is_old_accepted=True)
    client = ApiClient(alice)
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get("/auth/me")["code"] == 1200


def test_a_token_that_has_ended_is_not_revived_by_the_old_key(change, alice):
    token = UserToken.for_user(alice)
    token.set_exp(from_time=token.current_time, lifetime=-token.lifetime)
    change(is_old_accepted=True)
    assert Client().get("/auth/me", headers={"Authorization": f"Bearer {token}"}).json()["code"] == 1401


@accepted_and_not
def test_a_wechat_proof(change, alice, sandbox, settings, is_old_accepted):
    browser = browser_with_proof()
    change(is_old_accepted=is_old_accepted)
    assert sign_in_with_proof(browser).json()["code"] == (1200 if is_old_accepted else 1401)
    settings.SECRET_KEY_FALLBACKS = []
    assert (
        not is_old_accepted or sign_in_with_proof(browser).json()["code"] == 1200
    )  # it was renewed with the new key
    assert COOKIE in browser.cookies


@accepted_and_not
def test_an_operators_session(change, is_old_accepted):
    root = Operator()
    change(is_old_accepted=is_old_accepted)
    assert root.sees("") == (200 if is_old_accepted else 302)


@accepted_and_not
def test_the_way_to_wechats_sign_in_and_back(change, alice, sandbox, is_old_accepted):
    withdrawal = _withdrawal(alice)
    browser = WeChatBrowser("alice")
    back = browser.sign_in_at(browser.get(page_of(withdrawal))["Location"])
    change(is_old_accepted=is_old_accepted)
    answer = browser.get(path_of(back))
    assert (answer.status_code == 302 and COOKIE in answer.cookies) == is_old_accepted


def _withdrawal(user: User) -> Withdrawal:
    credit(user, "20")
    return requested_withdrawal(user)


@accepted_and_not
def test_a_code_by_sms(change, alice, sandbox, is_old_accepted):
    client = ApiClient(alice)
    code = code_sent(sandbox, client)
    change(is_old_accepted=is_old_accepted)
    assert prove_phone(ApiClient(alice), code) == (1200 if is_old_accepted else 2301)


@accepted_and_not
def test_a_previewed_list_of_words(change, is_old_accepted):
    support = Operator("support")
    page = preview(support, "赌博")
    secret = page.split('name="shown" value="')[1].split('"')[0]
    change(is_old_accepted=is_old_accepted)
    support.http.force_login(support.user)
    text = support.clicks(WORDS, "take_in", confirmed="yes", shown=secret)
    assert ("页面已过期" in text) != is_old_accepted


def test_an_identity_card_of_the_embedded_mode(change, alice, settings):
    settings.IDENTITY_KEYS = []
    enter_card(alice)
    change(is_old_accepted=True)
    assert "110105**********2X" in Operator().page(f"accounts/user/{alice.pk}/change/")
    assert enter_card(UserFactory(), REAL)["code"] == 1403
