"""A fake of WeChat Pay: it verifies our signatures, signs its answers and notifications, and pays a bill number once."""

import base64
import hashlib
import json
import re
import secrets
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from integrations.sandbox.server import ANY_ORIGIN, SandboxRequest, SandboxResponse
from integrations.sandbox.state import Record, State
from integrations.wechat.pay import BILLS, CLOCK_TOLERANCE_SECONDS, FUND_FLOW, signing_text

ENDED = ("SUCCESS", "FAIL", "CANCELLED")
SIGN_ERROR = "SIGN_ERROR"
SERIAL = "PUB_KEY_ID_SANDBOX"  # of the key that signs; tests may replace it
DOWNLOAD = "/v3/billdownload/file"
# WeChat on the receiver's phone calls this path to show a transfer and to confirm it. Merchants do not request it.
ON_THE_PHONE = "/phone/transfer"
CONFIRMABLE = ("WAIT_USER_CONFIRM", "TRANSFERING")
_FLOW_HEADER = [
    "记账时间",
    "微信支付业务单号",
    "资金流水单号",
    "业务名称",
    "业务类型",
    "收支类型",
    "收支金额(元)",
    "账户结余(元)",
    "资金变更提交申请人",
    "备注",
    "业务凭证号",
]
_FLOW_SUMMARY = ["资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额"]
_BY_NUMBER = re.compile(rf"{BILLS}/out-bill-no/([^/]+)(/cancel)?")


class FakeWeChatPay:
    """The fake of WeChat Pay. `state.next_bill` has the state of the next bills; the control API changes later states."""

    def __init__(self, state: State, keys: Path, api_v3_key: str, *, mch_id: str, cert_serial: str) -> None:
        self.state, self.api_v3_key = state, api_v3_key
        self.mch_id, self.cert_serial = mch_id, cert_serial
        own = serialization.load_pem_private_key((keys / "platform_key.pem").read_bytes(), None)
        theirs = serialization.load_pem_public_key((keys / "merchant_public.pem").read_bytes())
        if not isinstance(own, RSAPrivateKey) or not isinstance(theirs, RSAPublicKey):
            raise TypeError("RSA keys are needed")
        self.own_key, self.merchant_key = own, theirs
        self.own_serial = SERIAL

    def owns(self, request: SandboxRequest) -> bool:
        return request.path.startswith((BILLS, FUND_FLOW, DOWNLOAD, ON_THE_PHONE))

    def __call__(self, request: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(request):
            return None
        if request.path == ON_THE_PHONE:
            with self.state.lock:
                return self._on_the_phone(request)
        if not self._signed_by_merchant(request):
            return _not_recognized()
        with self.state.lock:
            if request.path == FUND_FLOW:
                return self._bill_of_day(request)
            if request.path == DOWNLOAD:
                return SandboxResponse(
                    self._fund_flow(request.query["token"]), content_type="text/plain; charset=utf-8"
                )
            if request.path == BILLS:
                return self._create(request.json)
            return self._by_number(request)

    def _on_the_phone(self, request: SandboxRequest) -> SandboxResponse:
        """Show (GET) or confirm (POST) the transfer of a package, for a page of any origin."""
        wanted = {"package_info": request.query.get("package") or None, "appid": request.query.get("appId")}
        bills = [bill for bill in self.state.bills.values() if wanted.items() <= bill.items()]
        if not bills or request.query.get("mchId") != self.mch_id:
            return SandboxResponse({"error": "no such transfer"}, 404, ANY_ORIGIN)
        [bill] = bills
        if bill["state"] not in CONFIRMABLE:
            return SandboxResponse({"error": f"the transfer is {bill['state']}"}, 409, ANY_ORIGIN)
        if request.method == "POST":
            self.move(bill["out_bill_no"], "SUCCESS")
        return SandboxResponse({"amount": bill["amount"]}, headers=ANY_ORIGIN)

    def _bill_of_day(self, request: SandboxRequest) -> SandboxResponse:
        """Answer with the address and the hash of the day's fund-flow file. The token in the address is the day."""
        if self.state.refusal.get("of") == "fund_flow":
            return self._refuse(self.state.refusal)
        day = request.query["bill_date"]
        raw = self._fund_flow(day)
        url = f"http://{request.headers['Host']}{DOWNLOAD}?token={day}"
        return self._answer({"hash_type": "SHA1", "hash_value": hashlib.sha1(raw).hexdigest(), "download_url": url})  # noqa: S324

    def _fund_flow(self, day: str) -> bytes:
        """Return the fund-flow file of that day's paid transfers."""
        paid = [bill for bill in self.state.bills.values() if bill.get("paid_at", "").startswith(day)]
        rows = [_FLOW_HEADER]
        for bill in paid:
            number, amount = bill["transfer_bill_no"], f"{bill['amount'] / 100:.2f}"
            kinds = ["商家转账", "转账", "支出"]
            rows.append(
                [bill["paid_at"], number, number, *kinds, amount, "0.00", "system", "", bill["out_bill_no"]]
            )
        total = f"{sum(bill['amount'] for bill in paid) / 100:.2f}"
        rows += [_FLOW_SUMMARY, [str(len(paid)), "0", "0.00", str(len(paid)), total]]
        marked = [row if row in (_FLOW_HEADER, _FLOW_SUMMARY) else [f"`{cell}" for cell in row] for row in rows]
        return ("\ufeff" + "\r\n".join(",".join(row) for row in marked) + "\r\n").encode()

    def _by_number(self, request: SandboxRequest) -> SandboxResponse:
        match = _BY_NUMBER.fullmatch(request.path)
        bill = self.state.bills.get(match[1]) if match else None
        if match is None or bill is None:
            return self._answer({"code": "NOT_FOUND", "message": "记录不存在"}, 404)
        if match[2] and self.state.refusal.get("of") == "cancel":
            return self._refuse(self.state.refusal)
        if match[2]:
            if bill["state"] in ENDED:
                return self._answer({"code": "INVALID_REQUEST", "message": "当前状态不能撤销"}, 400)
            self.move(match[1], "CANCELLED")
        return self._answer(_public(self.state.bills[match[1]]))

    def _create(self, body: dict[str, Any]) -> SandboxResponse:
        number = str(body["out_bill_no"])
        if self.state.refusal and "of" not in self.state.refusal:
            return self._refuse(self.state.refusal)
        known = self.state.bills.get(number)
        if known:
            if (known["openid"], known["amount"]) != (body["openid"], body["transfer_amount"]):
                return self._answer({"code": "INVALID_REQUEST", "message": "商户单号已被使用,参数不一致"}, 400)
            self.state.note("bill", out_bill_no=number, asked=1)
            return self._answer(_created(self.state.bills[number]))
        next_state = self.state.next_bill.get("next_state", "SUCCESS")
        if next_state == "NOT_ENOUGH":
            self.state.note("refused")
            return self._answer({"code": "NOT_ENOUGH", "message": "商户余额不足"}, 403)
        self.state.note(
            "bill",
            out_bill_no=number,
            openid=body["openid"],
            amount=body["transfer_amount"],
            appid=body["appid"],
            state=next_state,
            fail_reason=self.state.next_bill.get("fail_reason", "ACCOUNT_FROZEN") if next_state == "FAIL" else "",
            package_info=f"package-{uuid.uuid4().hex}",
            transfer_bill_no=f"133{secrets.randbelow(10**25):025d}",
            notify_url=body.get("notify_url", ""),
            asked=1,
        )
        if next_state in ENDED:
            self._notify(number)
        return self._answer(_created(self.state.bills[number]))

    def _refuse(self, refusal: Record) -> SandboxResponse:
        """Refuse one request with the prepared error. `then` is a bill that another request creates meanwhile."""
        self.state.note("refused")
        if refusal.get("then"):
            self.state.note("bill", **refusal["then"])
        if refusal["code"] == SIGN_ERROR:
            return _not_recognized()
        return self._answer({"code": refusal["code"], "message": "按要求拒绝"}, 400)

    def move(self, number: str, state: str) -> None:
        """Change the state of a bill, and notify the app of a final state."""
        self.state.note("bill", out_bill_no=number, state=state, fail_reason="CANCELLED" if state == "FAIL" else "")
        if state in ENDED:
            self._notify(number)

    def _signed_by_merchant(self, request: SandboxRequest) -> bool:
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        parts = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        text = signing_text(
            request.method,
            request.target,
            parts.get("timestamp", ""),
            parts.get("nonce_str", ""),
            request.raw.decode(),
        )
        try:
            signed = base64.b64decode(parts.get("signature", ""))
            self.merchant_key.verify(signed, text, padding.PKCS1v15(), hashes.SHA256())
            is_fresh = abs(time.time() - int(parts.get("timestamp", ""))) <= CLOCK_TOLERANCE_SECONDS
        except (InvalidSignature, ValueError):
            return False
        is_known = (parts.get("mchid"), parts.get("serial_no")) == (self.mch_id, self.cert_serial)
        return is_known and is_fresh and scheme == "WECHATPAY2-SHA256-RSA2048"

    def _signed(self, raw: bytes) -> dict[str, str]:
        stamp, nonce = str(int(time.time())), secrets.token_hex(16)
        text = signing_text(stamp, nonce, raw.decode())
        signed = self.own_key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        return {
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": base64.b64encode(signed).decode(),
            "Wechatpay-Serial": self.own_serial,
        }

    def _answer(self, data: dict[str, Any], status: int = 200) -> SandboxResponse:
        raw = json.dumps(data, ensure_ascii=False).encode()
        return SandboxResponse(raw, status, self._signed(raw))

    def _notify(self, number: str) -> None:
        bill = dict(self.state.bills[number])
        if bill.get("notify_url"):
            threading.Thread(target=self._post_notify, args=(bill,), daemon=True).start()

    def notification_of(self, number: str) -> tuple[bytes, dict[str, str]]:
        """Return the body and the signed headers of a notification about a bill."""
        return self._notify_request(self.state.bills[number])

    def _notify_request(self, bill: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        nonce = secrets.token_hex(6)
        content = json.dumps(_public(bill)).encode()
        ciphertext = AESGCM(self.api_v3_key.encode()).encrypt(nonce.encode(), content, b"mch_payment")
        body = {
            "id": str(uuid.uuid4()),
            "event_type": "MCHTRANSFER.BILL.FINISHED",
            "resource_type": "encrypt-resource",
            "resource": {
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": base64.b64encode(ciphertext).decode(),
                "nonce": nonce,
                "associated_data": "mch_payment",
            },
        }
        raw = json.dumps(body).encode()
        return raw, {"Content-Type": "application/json", **self._signed(raw)}

    def _post_notify(self, bill: dict[str, Any]) -> None:
        for pause in (0.3, 1, 3, 10):
            time.sleep(pause)
            try:
                raw, headers = self._notify_request(bill)
                if requests.post(bill["notify_url"], data=raw, headers=headers, timeout=10).ok:
                    return
            except requests.RequestException:
                continue


def _not_recognized() -> SandboxResponse:
    """Return the answer to a request with a wrong signature, which is not signed either."""
    return SandboxResponse({"code": SIGN_ERROR, "message": "签名错误"}, 401)


def _created(bill: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a first or repeated transfer, with the package while the user has to confirm."""
    waits = bill["state"] == "WAIT_USER_CONFIRM"
    return {**_public(bill), **({"package_info": bill.get("package_info", "")} if waits else {})}


def _public(bill: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a bill that queries and notifications have."""
    return {
        "out_bill_no": bill["out_bill_no"],
        "transfer_bill_no": bill["transfer_bill_no"],
        "state": bill["state"],
        "transfer_amount": bill["amount"],
        "openid": bill["openid"],
        "fail_reason": bill.get("fail_reason", ""),
    }
