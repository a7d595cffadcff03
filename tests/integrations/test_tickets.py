"""Signing pages for WeChat's JS-SDK: one ticket for all processes, refreshed by one of them."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations.wechat.login import Ticket, WeChat
from integrations.wechat.tickets import jsapi_ticket
from tests.support.client import ApiClient
from tests.support.outside_system import set_fault

pytestmark = pytest.mark.django_db


class SlowWeChat(WeChat):
    """A slow client that counts how often a ticket was fetched."""

    def __init__(self, expires_in: int = 7200) -> None:
        super().__init__("http://127.0.0.1:1", {"app": "secret"}, 1.0)
        self.expires_in, self.count = expires_in, 0

    def stable_token(self, app_id: str) -> str:
        time.sleep(0.2)
        return "token"

    def jsapi_ticket(self, token: str) -> Ticket:
        self.count += 1
        return Ticket(f"ticket-{self.count}", self.expires_in)


def signed(**query) -> dict:
    return ApiClient().get("/wechat/js/ticket", **{"app_id": "sandbox", "url": "https://a.cn/p?x=1", **query})


def test_the_signature_is_the_one_that_the_js_sdk_checks(sandbox):
    data = signed()["data"]
    text = f"jsapi_ticket=sandbox-ticket&noncestr={data['noncestr']}&timestamp={data['timestamp']}"
    assert data["signature"] == hashlib.sha1(f"{text}&url=https://a.cn/p?x=1".encode()).hexdigest()
    assert data["appid"] == data["app_id"] == "sandbox"


def test_the_fragment_of_a_page_does_not_count(sandbox):
    data = signed(url="https://a.cn/p#top")["data"]
    text = f"jsapi_ticket=sandbox-ticket&noncestr={data['noncestr']}&timestamp={data['timestamp']}"
    assert data["signature"] == hashlib.sha1(f"{text}&url=https://a.cn/p".encode()).hexdigest()


def test_an_app_that_is_not_ours_is_2501(sandbox):
    assert signed(app_id="nobody's app")["code"] == 2501


def test_wechat_down_is_1101(sandbox):
    set_fault(sandbox, "wechat")
    assert signed()["code"] == 1101


def test_a_known_ticket_needs_no_wechat(sandbox):
    signed()
    set_fault(sandbox, "wechat")
    assert signed()["code"] == 1200


def test_of_many_requests_at_once_one_refreshes_the_ticket():
    wechat = SlowWeChat()
    with ThreadPoolExecutor(12) as threads:
        tickets = set(threads.map(lambda _: jsapi_ticket("app", wechat), range(12)))
    assert (tickets, wechat.count) == ({"ticket-1"}, 1)


def test_a_ticket_is_refreshed_before_it_ends():
    wechat = SlowWeChat(expires_in=301)  # a second more than it is refreshed early
    assert jsapi_ticket("app", wechat) == "ticket-1"
    time.sleep(1.1)
    assert jsapi_ticket("app", wechat) == "ticket-2"
