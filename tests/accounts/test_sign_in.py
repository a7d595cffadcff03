"""WeChat sign-in: errors of WeChat, the proof, the access token."""

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.factories.people import UserFactory
from tests.support.client import ApiClient
from tests.support.outside_system import set_fault

pytestmark = pytest.mark.django_db


def visit(client: Client, code: str = "alice", app_id: str = "sandbox") -> dict:
    return client.get("/wechat/user_info", {"app_id": app_id, "code": code}).json()


def sign_in(client: Client, union_id: str) -> int:
    return client.post("/auth", {"union_id": union_id}, content_type="application/json").json()["code"]


def test_the_visitors_wechat_profile_is_returned(sandbox):
    answer = visit(Client())
    assert list(answer["data"]) == [
        "openid",
        "nickname",
        "sex",
        "language",
        "city",
        "province",
        "country",
        "headimgurl",
        "privilege",
        "unionid",
    ]
    assert (answer["data"]["unionid"], answer["data"]["openid"]) == ("union-alice", "open-alice")


def test_a_refused_code_is_2501(sandbox):
    assert visit(Client(), code="bad")["code"] == 2501


def test_an_unknown_app_is_2501(sandbox):
    assert visit(Client(), app_id="other")["code"] == 2501


@pytest.mark.parametrize("mode", ["error", "drop_reply"])
def test_wechat_down_is_1101(sandbox, mode: str):
    set_fault(sandbox, "wechat", mode)
    assert visit(Client())["code"] == 1101


def test_wechat_slow_is_1101_soon(sandbox, settings):
    settings.WECHAT_TIMEOUT = 0.2
    set_fault(sandbox, "wechat", "timeout")
    assert visit(Client())["code"] == 1101


def test_a_proof_signs_in_its_own_user_only(sandbox, settings):
    settings.ENFORCE_AUTH = True
    UserFactory(union_id="union-alice")
    UserFactory(union_id="union-bob")
    client = Client()
    visit(client)
    assert sign_in(client, "union-alice") == 1200
    assert sign_in(client, "union-bob") == 1401


def test_the_proof_cookie_is_http_only_and_expires(sandbox, settings):
    settings.ENFORCE_AUTH = True
    UserFactory(union_id="union-alice")
    client = Client()
    cookie = client.get("/wechat/user_info", {"app_id": "sandbox", "code": "alice"}).cookies["wechat_proof"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 90 * 86400)
    with time_machine.travel(timezone.now() + timezone.timedelta(days=90, seconds=5)):
        assert sign_in(client, "union-alice") == 1401


def test_a_forged_proof_is_refused(settings):
    settings.ENFORCE_AUTH = True
    UserFactory(union_id="union-alice")
    client = Client()
    client.cookies["wechat_proof"] = "eyJ1bmlvbl9pZCI6InVuaW9uLWFsaWNlIn0:forged"
    assert sign_in(client, "union-alice") == 1401


def test_an_unknown_union_id_is_1401_in_the_older_format():
    answer = ApiClient().post("/auth", {"union_id": "union-nobody"})
    assert list(answer) == ["code", "msg"]
    assert answer["code"] == 1401


def test_a_token_is_valid_longer_than_the_hour_for_which_clients_store_it():
    alice = UserFactory()
    token = ApiClient().post("/auth", {"union_id": alice.union_id})["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().get("/auth/me", headers=headers).json() == {
        "code": 1200,
        "msg": "",
        "me": {"user_id": str(alice.pk)},
    }
    with time_machine.travel(timezone.now() + timezone.timedelta(minutes=65)):
        assert Client().get("/auth/me", headers=headers).json()["code"] == 1200
    with time_machine.travel(timezone.now() + timezone.timedelta(minutes=71)):
        assert Client().get("/auth/me", headers=headers).json()["code"] == 1401


def test_an_inactive_user_is_1401():
    alice = UserFactory()
    client = ApiClient(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert client.get("/auth/me")["code"] == 1401
    assert ApiClient().post("/auth", {"union_id": alice.union_id})["code"] == 1401
