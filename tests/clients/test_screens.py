"""The screens of the mobile client: the calls of each screen, and every field that it reads."""

import time
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from config.platform.cache import KEPT_SECONDS
from tests.clients.phone import APP_ID, Phone
from tests.clients.scenario import GROUP, NEW_GROUP, SPEAKER, Scenario
from tests.contract.types import (
    BOOLEAN,
    INTEGER,
    MONEY,
    NUMBER,
    SWITCH,
    TEXT,
    TIME,
    UUID,
    Shape,
    misfits,
    nullable,
)
from tests.support.product import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("clients")]
PAGE = {"current_page": INTEGER, "page_size": INTEGER, "total_page": INTEGER, "total_records": INTEGER}
CONTENT = {"type": INTEGER, "content": TEXT, "title": TEXT, "desc": TEXT, "url": TEXT}


def read(answer: dict[str, Any], shape: Shape, *, paged: bool = False) -> Any:
    """Return the data of a response after checking all fields that the client reads, and their types."""
    assert answer["code"] == 1200, answer
    assert [wrong for wrong in misfits(answer["data"], shape) if ": with " not in wrong] == []
    assert not paged or misfits(answer["page_info"], PAGE) == []
    return answer["data"]


def soon() -> str:
    """Return a future moment in the format of the client's date picker."""
    return f"{datetime.now(ZoneInfo('Asia/Shanghai')) + timedelta(hours=2):%Y-%m-%d %H:%M}:00"


def test_home(scenario: Scenario, alice: Phone):
    alice.open("/home")
    assert read(alice.call("GET", "/received/redpacket"), BOOLEAN) in (True, False)
    numbers = {"group_count": INTEGER, "disciples": INTEGER, "apprentice": INTEGER, "disciple": INTEGER}
    assert read(alice.call("GET", "/user/groups/disciples"), numbers)["group_count"] == 2
    read(alice.call("GET", "/user"), UUID)
    assert read(alice.call("GET", "/users/block_verify"), BOOLEAN) is False
    assert alice.refresh()["code"] == 1200
    read(alice.call("GET", "/app/marquee"), {"status": SWITCH, "content": TEXT})
    for number in range(3):  # one page asks three times
        ticket = alice.call("GET", f"/wechat/js/ticket?app_id={APP_ID}&url=http%3A%2F%2Fexample.com%2F{number}")
        read(ticket, dict.fromkeys(("app_id", "appid", "timestamp", "noncestr", "signature"), TEXT))
    assert alice.call("GET", "/page/access")["code"] == 1200


def test_the_red_packet_is_opened_by_the_user(scenario: Scenario):
    newcomer = scenario.joins("newcomer")
    assert read(newcomer.call("GET", "/received/redpacket"), BOOLEAN) is False
    amount = read(newcomer.call("GET", "/receive/redpacket"), {"red_packet": MONEY})["red_packet"]
    assert 0.60 <= float(amount) <= 0.70
    assert read(newcomer.call("GET", "/received/redpacket"), BOOLEAN) is True
    assert read(newcomer.call("GET", "/receive/redpacket"), {"red_packet": MONEY})["red_packet"] == amount


RATED = {
    "code": TEXT, "name": TEXT, "old_group": INTEGER, "quality_level": INTEGER, "income_status": TEXT, "group_income": NUMBER,
    "settle_count": INTEGER, "text_income": NUMBER, "robot_name": TEXT, "launch_switch": SWITCH, "create_date": TEXT,
}  # fmt: skip
NOTHING_YET = {name: nullable(kind) for name, kind in RATED.items() if name not in ("code", "name", "create_date")}


def test_the_list_of_groups(alice: Phone):
    rated = alice.call("GET", "/groups?current_page=0&page_size=20&status=1")
    assert [group["code"] for group in read(rated, [RATED], paged=True)] == [GROUP]
    waiting = alice.call("GET", "/groups?current_page=0&page_size=20&status=0")
    assert [group["code"] for group in read(waiting, [RATED | NOTHING_YET], paged=True)] == [NEW_GROUP]


@pytest.mark.parametrize("query", ["/groups?current_page=0&page_size=20&status=3", "/user/apprentice?leave=3"])
def test_a_number_that_means_nothing_is_an_empty_list(alice: Phone, query: str):
    assert read(alice.call("GET", query), [TEXT], paged=True) == []


def test_the_robot_gets_another_name_in_a_group(alice: Phone):
    answer = alice.call("PUT", f"/groups/{GROUP}/robot_name", {"remark_name": "小管家"})
    assert answer["code"] == 1200
    [group] = alice.call("GET", "/groups?current_page=0&page_size=20&status=1")["data"]
    assert group["robot_name"] == "小管家"


def test_a_group_is_switched_off_and_on_by_a_list_of_one(alice: Phone):
    for flag in (0, 1):
        assert alice.call("PUT", "/launch/switch", [{"code": GROUP, "rcv_task_flag": flag}])["code"] == 1200
        [group] = alice.call("GET", "/groups?current_page=0&page_size=20&status=1")["data"]
        assert group["launch_switch"] == flag


def test_a_robot_asks_to_be_pulled_back(alice: Phone):
    assert read(alice.call("GET", f"/pullback/{GROUP}"), TEXT).startswith("http")


def test_a_robot_for_another_group(alice: Phone):
    robot = alice.call("GET", "/robot/show")
    read(robot, {"robot_id": UUID, "robot_name": TEXT, "qr_code": TEXT, "head_url": TEXT, "wechat_no": TEXT})


APPRENTICE = {
    "user_id": UUID, "name": TEXT, "create_date": TIME, "is_import": BOOLEAN, "is_apprentice": BOOLEAN, "is_remind": SWITCH,
}  # fmt: skip


def test_apprentices_and_reminding_one(alice: Phone):
    [bao] = read(
        alice.call("GET", "/user/apprentice?current_page=0&page_size=20&leave=1"), [APPRENTICE], paged=True
    )
    assert (
        read(alice.call("GET", "/user/apprentice?current_page=0&page_size=20&leave=2"), [APPRENTICE], paged=True)
        == []
    )
    reminded = {name: bao[name] for name in ("is_import", "is_apprentice", "user_id")}
    assert alice.call("POST", "/apprentice/awakening", reminded)["code"] == 1200


def test_the_poster_is_shown_without_a_token(scenario: Scenario, alice: Phone):
    address = f"{scenario.product.url}/user/{alice.call('GET', '/user')['data']}/poster"
    picture = requests.get(address, timeout=20)
    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/png")
    again = requests.get(address, headers={"If-None-Match": picture.headers["ETag"]}, timeout=20)
    assert again.status_code == 304
    assert requests.get(f"{scenario.product.url}/user/undefined/poster", timeout=20).status_code == 404


def test_numbers_of_groups(alice: Phone):
    counts = ("group_mem_counts", "join_group_counts", "exit_group_counts", "speaker_counts")
    shape = {"group_id": UUID, "group_name": TEXT} | dict.fromkeys(counts, INTEGER)
    assert read(alice.call("GET", "/owner/group/verify"), BOOLEAN) is True
    assert len(read(alice.call("GET", "/groups/statistics?current_page=0&page_size=20"), [shape], paged=True)) == 2


def test_welcome_messages(alice: Phone):
    groups = read(alice.call("GET", "/groups/welcome"), [{"id": UUID, "name": TEXT, "welcome_msg": TEXT}])
    assert alice.call("POST", f"/groups/{groups[0]['id']}/welcome", {"welcome_msg": "欢迎加入"})["code"] == 1200
    [changed] = [one for one in alice.call("GET", "/groups/welcome")["data"] if one["id"] == groups[0]["id"]]
    assert changed["welcome_msg"] == "欢迎加入"


OWNED = {"id": UUID, "code": TEXT, "name": TEXT, "launch_switch": SWITCH, "create_date": TIME}


def test_keywords_are_created_edited_and_deleted(alice: Phone):
    read(alice.call("GET", "/owner/groups?current_page=0&page_size=-1"), [OWNED], paged=True)
    new = {"keywords": ["价格"], "group_codes": [GROUP], "reply_content": "看公告"}
    assert alice.call("POST", "/keywords", new)["code"] == 1200
    shape = {"batch_id": UUID, "keywords": [TEXT], "bind_group_counts": INTEGER, "trigger_times": INTEGER}
    [batch] = [one for one in read(alice.call("GET", "/keywords"), [shape]) if one["keywords"] == ["价格"]]
    detail = alice.call("GET", f"/keywords/{batch['batch_id']}")["data"]
    assert alice.call("PUT", "/keywords", {**detail, "reply_content": "看群公告"})["code"] == 1200
    assert alice.call("GET", f"/keywords/{batch['batch_id']}")["data"]["reply_content"] == "看群公告"
    assert alice.call("DELETE", "/keywords", {"id": batch["batch_id"]})["code"] == 1200


MENTION = {
    "msg_id": UUID, "group_name": TEXT, "msg_content": TEXT, "group_id": UUID, "group_code": TEXT, "status": SWITCH,
}  # fmt: skip
PART = {name: nullable(TEXT) for name in ("content", "title", "desc", "url")}
SPOKEN = {
    "id": UUID, "head_url": TEXT, "nickname": TEXT, "send_date": TIME, "mem_code": TEXT, "group_code": TEXT, "is_master": BOOLEAN,
    "content": {"type": INTEGER, "voice_time": nullable(INTEGER), **PART},
}  # fmt: skip


def test_a_mention_is_opened_and_answered(scenario: Scenario, alice: Phone):
    scenario.speaks_in(GROUP, "群主在吗", at_users=["wx-alice"])
    link = wait_for(lambda: [one["content"] for one in alice.messages() if "@" in (one["content"] or "")])[-1]
    assert alice.follow(link) == ("/altme", {})
    [mention] = read(alice.call("GET", "/alt_msg?current_page=0&page_size=20"), [MENTION], paged=True)
    around = read(alice.call("GET", f"/groups/{mention['group_id']}/msg/{mention['msg_id']}/context"), [SPOKEN])
    [asked] = [one for one in around if one["id"] == mention["msg_id"]]
    reply = {"group_code": asked["group_code"], "mem_code": asked["mem_code"], "content": "我在", "type": 3}
    assert (asked["mem_code"], alice.call("POST", "/alt_msg/reply", reply)["code"]) == (SPEAKER, 1200)
    wait_for(
        lambda: [
            m for m in scenario.product.sandbox("messages", group_id=GROUP)["messages"] if m["content"] == "我在"
        ]
    )


def test_mentions_are_switched_off_and_on(alice: Phone):
    for flag in (0, 1):
        assert alice.call("PUT", "/alt/switch", {"alt_switch": flag})["code"] == 1200
        assert read(alice.call("GET", "/alt/switch"), SWITCH) == flag


def draft_of(scenario: Scenario, phone: Phone) -> str:
    """Choose 7 in the menu, send a picture and follow the robot's link. Returns the draft's task_id."""
    about = {"robot_id": scenario.robot_of[phone.name], "user_id": f"wx-{phone.name}"}
    seen = len(phone.messages())
    scenario.gateway(("private_message", {**about, "type": 3, "content": "7"}))
    wait_for(lambda: len(phone.messages()) > seen)
    scenario.gateway(("private_message", {**about, "type": 8, "content": "http://pictures.example.com/1.png"}))
    page, parameters = phone.follow(wait_for(lambda: phone.messages()[seen + 1 :])[0]["content"])
    assert page == "/createmess"
    return parameters["task_id"]


MASS_MESSAGE = {"id": UUID, "send_date": TIME, "group_counts": INTEGER, "status": INTEGER}
DETAIL = {"content": [CONTENT], "groups_info": [{"id": UUID, "name": TEXT}], "send_date": TIME}


@pytest.mark.parametrize(
    ("text", "types"), [("", [8]), ("今晚八点见", [8, 3])], ids=["picture", "picture and text"]
)
def test_a_mass_message_is_created_from_the_robots_draft_and_recalled(
    scenario: Scenario, alice: Phone, text, types
):
    task = draft_of(scenario, alice)
    read(alice.call("GET", f"/tasks/{task}"), {"id": UUID, "content": CONTENT})
    groups = [group["id"] for group in alice.call("GET", "/owner/groups?current_page=0&page_size=-1")["data"]]
    message = {"type": 3, "content": text, "title": "", "desc": "", "url": ""}
    sent = {"message": message, "group_ids": groups[:1], "send_date": soon()}
    assert alice.call("PUT", f"/tasks/{task}", sent)["code"] == 1200
    shown = read(alice.call("GET", f"/tasks/{task}/message"), DETAIL)
    assert [part["type"] for part in shown["content"]] == types
    listed = read(alice.call("GET", "/tasks/messages?direction=up"), [MASS_MESSAGE], paged=True)
    assert task in [one["id"] for one in listed]
    assert alice.call("DELETE", f"/tasks/{task}")["code"] == 1200
    assert task not in [one["id"] for one in alice.call("GET", "/tasks/messages?direction=up")["data"]]
    assert alice.call("GET", "/tasks/messages?direction=down")["code"] == 1200


def test_a_mass_message_without_a_draft_is_not_found(alice: Phone):
    assert alice.call("GET", "/tasks/null")["code"] == 1404


def test_profit(alice: Phone):
    summary = {"amount": MONEY, "balance": MONEY, "yesterday_balance": MONEY}
    read(alice.call("GET", "/profit"), {"summary": summary})
    day = {"day": TEXT, "balance_detail": MONEY, "detail": [{"balance": MONEY, "slip_type": INTEGER}]}
    assert len(read(alice.call("GET", "/profit/slip"), [day])) == 15


WALLET = {
    "is_withdrawed": BOOLEAN,
    "id": UUID,
    "user_id": UUID,
    "balance_amount": MONEY,
    "withdrawing_amount": MONEY,
}


def test_a_withdrawal_with_its_phone_and_identity_card(scenario: Scenario, alice: Phone):
    assert read(alice.call("GET", "/withdraw"), WALLET)["is_withdrawed"] is False
    assert alice.call("POST", "/withdraw", {"balance": 1})["code"] == 2001
    phone = "13800138000" if scenario.product.env["ENFORCE_AUTH"] == "1" else "13800138001"
    assert alice.call("PUT", "/user/phone", {"phone": phone, "code": "123456"})["code"] == 2302
    assert alice.call("GET", f"/sms/code/delivery?phone={phone}")["code"] == 1200
    text = wait_for(lambda: scenario.product.sandbox("sms", phone=phone)["sms"])[-1]["content"]
    code = "".join(digit for digit in text.split("，")[0].split(",")[0] if digit.isdigit())
    assert alice.call("PUT", "/user/phone", {"phone": phone, "code": code})["code"] == 1200
    card = {"id_number": "11010519491231002X", "name": "王小明"}
    assert alice.call("PUT", "/user/idcard", card)["code"] == 1200
    assert alice.call("POST", "/withdraw", {"balance": 1})["code"] == 3002  # the red packet is less than one yuan


CATEGORY = {"id": UUID, "title": TEXT, "seq_no": INTEGER, "type": INTEGER}


def test_feedback_asks_for_what_its_category_needs(alice: Phone):
    categories = read(alice.call("GET", "/problems"), [CATEGORY])
    robots = read(alice.call("GET", "/user/robots"), [{"id": UUID, "name": TEXT, "wechat_no": TEXT}])
    given = {
        2: {"robot_id": robots[0]["id"]},
        3: {"robot_id": robots[0]["id"], "group_name": "群"},
        4: {},
        5: {"description": "问题"},
    }
    for category in {one["type"]: one for one in categories}.values():
        report = {"problem_catgory": category["id"], **given[category["type"]]}
        assert alice.call("POST", "/user/problem", report)["code"] == 1200


def test_articles_that_were_sent(scenario: Scenario, alice: Phone):
    content = {
        "items": [{"type": 3, "title": "好文", "content": "摘要", "filePath": None, "url": "http://example.com/a"}]
    }
    launch = {"taskId": f"clients-{time.monotonic_ns()}", "groupIds": [GROUP], "content": content}
    assert scenario.system("POST", "/task/receive", launch)["code"] == 1200
    shape = {"task_id": UUID, "send_date": TIME, "group_count": INTEGER, "send_flag": INTEGER}
    listed = wait_for(
        lambda: read(alice.call("GET", "/launch/history?current_page=0&page_size=20"), [shape], paged=True)
    )
    detail = alice.call("GET", f"/launch/history/detail?task_id={listed[0]['task_id']}")["data"]
    assert (detail["groups"], detail["materials"][0]["title"]) == (["alice的群group"], "好文")


def test_a_refusal_is_a_sentence_for_the_user(alice: Phone):
    refused = alice.call("POST", "/keywords", {"keywords": [], "group_codes": [GROUP], "reply_content": "x"})
    assert (refused["code"], refused["description"][0].isascii()) == (1403, False)


def test_maintenance_is_seen_before_anything_else(scenario: Scenario, alice: Phone):
    try:
        assert scenario.system("POST", "/app/status", {"status": 2, "upGradeEndTime": "明早八点"})["code"] == 1200
        wait_for_status(alice, {"status": 2, "upGradeEndTime": "明早八点"})
    finally:
        assert scenario.system("POST", "/app/status", {"status": 1})["code"] == 1200
        wait_for_status(alice, {"status": 1, "upGradeEndTime": ""})


def wait_for_status(phone: Phone, status: dict[str, Any]) -> None:
    """Wait until each web process has forgotten the status that it kept before."""
    time.sleep(KEPT_SECONDS)
    assert phone.send("GET", "/app/status")["data"] == status


def test_a_blocked_user_is_led_to_the_page_for_blocked_users(scenario: Scenario):
    blocked = scenario.joins("villain")
    assert scenario.system("PUT", f"/users/{blocked.call('GET', '/user')['data']}/block")["code"] == 1200
    assert blocked.open("/home") == "/home"  # through WeChat once more
    assert read(blocked.call("GET", "/users/block_verify"), BOOLEAN) is True
    assert blocked.call("POST", "/withdraw", {"balance": 1})["code"] == 3004
