"""A journey from the first visit to a paid withdrawal, on real processes, with every response and balance."""

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.support.product import Product, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("products")]


def day(back: int = 0) -> str:
    """Return the day in Shanghai this many days ago. Computed at each call, because the suite may run over midnight."""
    return (datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(days=back)).strftime("%Y-%m-%d")


LONG_AGO = f"{day(3)} 12:00:00"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory):
    running = Product(tmp_path_factory.mktemp("product"), "--no-demo", THROTTLE_SMS="9/20").with_database()
    running.start().wait_until_ready()
    yield running
    running.stop()


def join(product: Product, name: str, sharer: str = "") -> tuple[str, str, Decimal]:
    """Register a new user through the client. Returns (user id, token, red packet)."""
    profile = product.call("GET", "/wechat/user_info", app_id="sandbox", code=name)
    assert profile["code"] == 1200
    assert profile["data"]["unionid"] == f"union-{name}"

    scan = {"open_id": f"open-{name}", "union_id": f"union-{name}", "sharing_user_id": sharer, "channel": ""}
    robot = product.call("POST", "/robot/distribution", scan)
    assert robot["code"] == 1200
    assert set(robot["data"]) == {"head_url", "qr_code", "wechat_no", "name"}
    assert product.call("POST", "/robot/distribution", scan)["data"] == robot["data"]
    robot_code = robot["data"]["wechat_no"].replace("sandbox_wx_", "sandbox-robot-")

    added = {
        "robot_id": robot_code,
        "user_id": f"wx-{name}",
        "nickname": name,
        "avatar": "",
        "add_time": LONG_AGO,
    }
    product.gateway_sends(("robot_added", added))
    link = wait_for(lambda: product.sandbox("messages", user_id=f"wx-{name}")["messages"])[0]["content"]
    assert "/s/" in link

    body = {
        "union_id": f"union-{name}",
        "open_id": f"open-{name}",
        "nick_name": name,
        "head_url": "http://example.com/a.png",
        "appid": "sandbox",
    }
    completed = product.call("PUT", f"/user/wx-{name}", body)
    assert completed["code"] == 1200
    red_packet = Decimal(str(completed["data"]["red_packed"]))
    assert Decimal("0.60") <= red_packet <= Decimal("0.70")
    assert product.call("PUT", f"/user/wx-{name}", body)["code"] == 2200

    token = product.call("POST", "/auth", {"union_id": f"union-{name}"})
    assert list(token) == ["code", "msg", "access_token"]
    me = product.call("GET", "/auth/me", token=token["access_token"])
    assert list(me) == ["code", "msg", "me"]
    return me["me"]["user_id"], token["access_token"], red_packet


def bring_group(product: Product, owner: str, group: str, robot: str) -> None:
    """Bind a group of the owner, three days ago."""
    text = {"robot_id": robot, "group_id": group, "user_id": f"wx-{owner}", "name": f"{owner}的群"}
    product.gateway_sends(("wait_for_bind", text), ("bind_group_success", {**text, "bind_time": LONG_AGO}))


def test_a_group_earns_and_its_owner_is_paid_in_wechat(product: Product):
    grand_id, grand_token, grand_red = join(product, "grandma")
    inviter_id, inviter_token, inviter_red = join(product, "master", sharer=grand_id)
    _, alice, alice_red = join(product, "alice", sharer=inviter_id)

    def balance(token: str) -> Decimal:
        return Decimal(product.call("GET", "/withdraw", token=token)["data"]["balance_amount"])

    fee = Decimal("0.01")
    assert [balance(grand_token), balance(inviter_token), balance(alice)] == [
        grand_red - fee,
        inviter_red - fee,
        alice_red - fee,
    ]

    # A live binding: the robot is pulled in, the gateway binds it and reports that, members and info follow.
    text = {
        "robot_id": "sandbox-robot-1",
        "group_id": "live-group",
        "user_id": "wx-alice",
        "name": "今天的群",
    }
    product.gateway_sends(("wait_for_bind", text))
    listed = wait_for(lambda: product.call("GET", "/groups", token=alice, status=0)["data"])
    assert [group["name"] for group in listed] == ["今天的群"]
    assert listed[0]["create_date"] == day()
    assert listed[0]["group_income"] is None

    # An older one, which yesterday's settlement pays.
    bring_group(product, "alice", "old-group", "sandbox-robot-2")
    wait_for(lambda: product.call("GET", "/groups", token=alice, status=0)["page_info"]["total_records"] == 2)

    rated = {"command": "update_group_star", "data": [{"groupId": "old-group", "state": 1, "star": 5}]}
    assert product.call("POST", "/groups/star", rated)["code"] == 1200
    groups = product.call("GET", "/groups", token=alice, status=1)
    assert groups["page_info"] == {"current_page": 0, "page_size": 20, "total_page": 1, "total_records": 1}
    assert groups["data"][0] | {"robot_name": ""} == {
        "code": "old-group",
        "name": "alice的群",
        "settle_count": 0,
        "quality_level": 5,
        "robot_name": "",
        "launch_switch": 0,
        "create_date": LONG_AGO[:10],
        "income_status": "收益中",
        "group_income": 30.0,
        "text_income": 0.16,
        "old_group": 0,
    }

    # Settlement pays the owner, the inviter in full, the grand-inviter half; twice changes nothing.
    assert "1 groups, 2.50 yuan paid" in product.run("settle", "--date", day(1))
    assert "settled already" in product.run("settle", "--date", day(1))
    one, half = Decimal("1.00"), Decimal("0.50")
    assert balance(alice) == alice_red - fee + one
    assert balance(inviter_token) == inviter_red - fee + one
    assert balance(grand_token) == grand_red - fee + half
    profit = product.call("GET", "/profit", token=alice)["data"]["summary"]
    assert profit == {
        "amount": str(alice_red - fee + one),
        "balance": str(alice_red - fee + one),
        "yesterday_balance": "1.00",
    }
    profit_days = product.call("GET", "/profit/slip", token=inviter_token)["data"]
    assert len(profit_days) == 15
    assert profit_days[1]["day"] == day(1)
    assert profit_days[1]["balance_detail"] == "1.00"
    assert [part["balance"] for part in profit_days[1]["detail"]] == ["0.00", "0.00", "1.00", "0.00", "0.00"]

    # A withdrawal needs a phone, and the phone a code that came by SMS.
    assert product.call("POST", "/withdraw", {"balance": "1"}, token=alice)["code"] == 2001
    assert product.call("GET", "/sms/code/delivery", token=alice, phone="13800138000")["code"] == 1200
    message = wait_for(lambda: product.sandbox("sms", phone="13800138000")["sms"])[-1]["content"]
    code = "".join(digit for digit in message.split(",")[0] if digit.isdigit())
    wrong = "000000" if code != "000000" else "111111"
    assert product.call("PUT", "/user/phone", {"phone": "13800138000", "code": wrong}, token=alice)["code"] == 2301
    assert product.call("PUT", "/user/phone", {"phone": "13800138000", "code": code}, token=alice)["code"] == 1200

    assert product.call("POST", "/withdraw", {"balance": "20"}, token=alice)["code"] == 3002
    assert product.call("POST", "/withdraw", {"balance": "1"}, token=alice)["code"] == 1200
    wallet = product.call("GET", "/withdraw", token=alice)["data"]
    assert wallet["withdrawing_amount"] == "1.00"
    assert wallet["is_withdrawed"] is True
    [row] = product.call("POST", "/admin/withdraw", {"phone": "13800138000"})["data"]
    assert (row["amount"], row["status"], row["paid_date"]) == ("1.00", 0, None)

    # An operator approves it in the admin; WeChat Pay pays; the books agree.
    operator = product.operator()
    page = operator.page("earnings/withdrawal")
    withdrawal_id = page.split('name="_selected_action" value="')[1].split('"')[0]
    assert row["id"] == withdrawal_id
    assert "已通过 1 条" in operator.act("earnings/withdrawal", "approve", [withdrawal_id])
    paid = wait_for(
        lambda: product.call("POST", "/admin/withdraw", {"status": 3})["data"],
        90,
        lambda: product.output[-2000:],
    )
    assert paid[0]["paid_date"] is not None
    [bill] = product.sandbox("transfers")["transfers"]
    assert bill == {
        "out_bill_no": withdrawal_id.replace("-", ""),
        "openid": "open-alice",
        "amount": 100,
        "state": "SUCCESS",
        "requests": 1,
    }
    wallet = product.call("GET", "/withdraw", token=alice)["data"]
    assert wallet["withdrawing_amount"] == "0.00"
    assert Decimal(wallet["balance_amount"]) == alice_red - fee
    assert product.call("GET", "/profit", token=alice)["data"]["summary"]["balance"] == str(alice_red - fee + one)
    assert "in order" in product.run("check_ledger")
