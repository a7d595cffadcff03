"""The identity of a client: its cookies of 90 days, the proof, and the redirect to WeChat."""

import pytest

from tests.clients.phone import Phone
from tests.clients.scenario import Scenario

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("clients")]
HOUR, DAY = 3600, 86400


def another_phone(scenario: Scenario, name: str = "alice") -> Phone:
    """Return a new phone of the same person, without a sign-in."""
    return Phone(scenario.product, name)


def test_a_first_visit_makes_its_calls_in_this_order(scenario: Scenario):
    phone = another_phone(scenario)
    assert phone.open("/home") == "/home"
    phone.refresh()
    assert phone.calls == [
        "GET /app/status",
        "GET /wechat/user_info",
        "GET /users/union-alice/registered",
        "POST /auth",
        "PUT /user/refresh/union-alice",
    ]


@pytest.mark.parametrize("age", [3 * HOUR, 89 * DAY])
def test_a_client_that_was_away_signs_in_without_asking_wechat(scenario: Scenario, age: float):
    phone = another_phone(scenario)
    phone.open("/home")
    phone.age_proof(age)
    asked = phone.calls.count("GET /wechat/user_info")
    assert phone.open("/home") == "/home"
    assert phone.calls.count("GET /wechat/user_info") == asked


def test_a_client_that_was_away_for_91_days_is_sent_to_wechat_and_comes_back(scenario: Scenario):
    phone = another_phone(scenario)
    phone.open("/home")
    phone.age_proof(91 * DAY)
    assert phone.open("/home") == "/home"
    is_enforced = scenario.product.env["ENFORCE_AUTH"] == "1"
    assert phone.calls.count("GET /wechat/user_info") == 1 + is_enforced


def test_whoever_comes_from_the_earlier_system_is_sent_to_wechat_unseen(scenario: Scenario):
    phone = another_phone(scenario)
    for name, text in {
        "union_id": "union-alice",
        "open_id": "open-alice",
        "head_url": "",
        "nick_name": "爱丽丝",
    }.items():
        phone.keep(name, text)
    assert phone.open("/home") == "/home"
    assert phone.call("GET", "/profit")["code"] == 1200


def test_the_token_is_renewed_in_the_middle_of_a_page(scenario: Scenario):
    phone = another_phone(scenario)
    phone.open("/home")
    phone.token = "expired"
    assert phone.call("GET", "/groups?current_page=0&page_size=20&status=1")["code"] == 1200


def test_two_phones_of_one_person_do_not_sign_each_other_out(scenario: Scenario):
    phones = [another_phone(scenario), another_phone(scenario)]
    for phone in (*phones, *phones):
        assert phone.open("/home") == "/home"
        assert phone.call("GET", "/user")["code"] == 1200


def test_each_of_two_people_on_one_phone_sees_the_own_account(scenario: Scenario):
    phone = another_phone(scenario, "bao")
    phone.open("/home")
    bao = phone.call("GET", "/user")["data"]
    for name in ("union_id", "open_id"):
        phone.http.cookies.pop(name)
    phone.name, phone.token = "alice", None
    assert phone.open("/home") == "/home"
    assert phone.call("GET", "/user")["data"] == scenario.people["alice"].call("GET", "/user")["data"] != bao


def test_whoever_has_not_added_a_robot_is_led_to_adopt_one(scenario: Scenario):
    assert another_phone(scenario, "stranger").open("/home") == "/adopt"


@pytest.mark.parametrize("sharer", ["", None, "null", "undefined", "00000000-0000-0000-0000-000000000000"])
def test_an_invitation_of_nobody_gives_a_robot_all_the_same(scenario: Scenario, sharer: str | None):
    phone = another_phone(scenario, "visitor")
    phone.open("/adopt")
    scan = {"open_id": "open-visitor", "union_id": "union-visitor", "sharing_user_id": sharer, "channel": ""}
    answer = phone.call("POST", "/robot/distribution", scan)
    assert (answer["code"], answer["data"]["qr_code"].startswith("http")) == (1200, True)


def test_the_robots_link_can_be_opened_again_after_its_use(scenario: Scenario):
    phone = another_phone(scenario, "bao")
    page, parameters = phone.follow(phone.messages()[0]["content"])
    assert (page, list(parameters)) == ("/home", ["userId"])
    assert phone.open(page, **parameters) == "/home"


def test_the_inviter_of_the_link_becomes_the_inviter(scenario: Scenario, alice: Phone):
    names = [
        one["name"] for one in alice.call("GET", "/user/apprentice?current_page=0&page_size=20&leave=1")["data"]
    ]
    assert names == ["bao"]
