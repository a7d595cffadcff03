"""The old back-office client: an operator signed in to the admin lists, reviews and exports withdrawals."""

from typing import Any

import pytest
import requests

from tests.clients.phone import Phone
from tests.clients.scenario import Scenario, day
from tests.contract.types import INTEGER, MONEY, TEXT, TIME, UUID, misfits, nullable
from tests.support.product import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("clients")]
EXCEL = {"Content-type": "application/vnd.ms-excel;chartset=utf-8"}  # the spelling of that client
LISTED = {
    "id": UUID,
    "phone": TEXT,
    "amount": MONEY,
    "reason": nullable(TEXT),
    "create_date": TIME,
    "paid_date": nullable(TIME),
    "status": INTEGER,
}


@pytest.fixture(scope="module")
def rich(scenario: Scenario) -> Phone:
    """Return a user whose group earned one yuan yesterday, with a requested withdrawal."""
    rich = scenario.joins("rich")
    scenario.brings("rich", "clients-rich-group")
    wait_for(lambda: rich.call("GET", "/groups?status=0")["page_info"]["total_records"] == 1)
    stars = {"command": "update_group_star", "data": [{"groupId": "clients-rich-group", "state": 1, "star": 5}]}
    assert scenario.system("POST", "/groups/star", stars)["code"] == 1200
    assert "paid" in scenario.product.run("settle", "--date", day(1))
    phone = "13811112222"
    assert rich.call("GET", f"/sms/code/delivery?phone={phone}")["code"] == 1200
    text = wait_for(lambda: scenario.product.sandbox("sms", phone=phone)["sms"])[-1]["content"]
    code = "".join(digit for digit in text.split("，")[0].split(",")[0] if digit.isdigit())
    assert rich.call("PUT", "/user/phone", {"phone": phone, "code": code})["code"] == 1200
    assert rich.call("POST", "/withdraw", {"balance": 1})["code"] == 1200
    return rich


@pytest.fixture(scope="module")
def operator(scenario: Scenario, rich: Phone) -> requests.Session:
    """Return a browser in which an operator is signed in to the admin."""
    return scenario.product.operator().http


def post(scenario: Scenario, operator: requests.Session, path: str, body: Any, **headers: str) -> requests.Response:
    """Call the API like axios, which copies the cookie XSRF-TOKEN to a header."""
    token = {"X-XSRF-TOKEN": operator.cookies["XSRF-TOKEN"]}
    return operator.post(scenario.product.url + path, json=body, headers=token | headers, timeout=20)


def listed(scenario: Scenario, operator: requests.Session, size: int = 100, **filters: Any) -> list[dict[str, Any]]:
    body = {"sort": {"sort_key": "create_date", "value": "desc"}, **filters}
    answer = post(scenario, operator, f"/admin/withdraw?current_page=0&page_size={size}", body).json()
    assert answer["code"] == 1200, answer
    assert misfits(answer["data"], [LISTED]) == []
    return list(answer["data"])


def test_the_list_is_filtered_as_its_form_sends_it(scenario: Scenario, operator: requests.Session):
    dates = {"withdraw_date_begin": f"{day()} 00:00:00", "withdraw_date_end": f"{day()} 23:59:59"}
    assert [row["phone"] for row in listed(scenario, operator, **dates)] == ["13811112222"]
    assert listed(scenario, operator, 500, phone="13811112222", amount_begin="", amount_end="") != []
    assert listed(scenario, operator, phone="13800000000") == []


def test_the_list_and_the_feedback_are_exported_as_files(scenario: Scenario, operator: requests.Session):
    for path in ("/admin/withdraw/export", "/admin/problem/feedback/export"):
        file = post(scenario, operator, path, {}, **EXCEL)
        assert (file.status_code, file.content[:2]) == (200, b"PK")  # a workbook is a ZIP file


def test_feedback_names_the_robot(scenario: Scenario, operator: requests.Session, rich: Phone):
    [category] = [one for one in rich.call("GET", "/problems")["data"] if one["type"] == 2][:1]
    [robot] = rich.call("GET", "/user/robots")["data"]
    report = {"problem_catgory": category["id"], "robot_id": robot["id"]}
    assert rich.call("POST", "/user/problem", report)["code"] == 1200
    rows = post(
        scenario, operator, "/admin/problem/feedback?current_page=0&page_size=100", {"phone": "13811112222"}
    )
    assert rows.json()["data"][0]["robot_info"] == f"{robot['name']}({robot['wechat_no']})"


def test_a_ticked_withdrawal_is_approved_by_its_id_and_paid(scenario: Scenario, operator: requests.Session):
    [waiting] = listed(scenario, operator, phone="13811112222", status=0)
    answer = post(scenario, operator, "/withdraw/review", {"withdraw_id": [waiting["id"]], "status": 1}).json()
    assert answer["code"] == 1200
    wait_for(lambda: listed(scenario, operator, phone="13811112222", status=3), 60)
    number = waiting["id"].replace("-", "")
    assert number in [bill["out_bill_no"] for bill in scenario.product.sandbox("transfers")["transfers"]]
