"""Phone numbers: codes by SMS, and the proof of a number."""

from tests.support.client import ApiClient

PHONE = "13800138000"


def code_sent(sandbox, client: ApiClient, phone: str = PHONE) -> str:
    """Request a code by SMS and return it."""
    assert client.get("/sms/code/delivery", phone=phone)["code"] == 1200
    content = sandbox.state.sms[-1]["content"]
    assert sandbox.state.sms[-1]["phone"] == phone
    return "".join(digit for digit in content.split(",")[0] if digit.isdigit())


def prove_phone(client: ApiClient, code: str, phone: str = PHONE) -> int:
    """Prove a number with the code. Returns the code of the answer."""
    return client.put("/user/phone", {"phone": phone, "code": code})["code"]
