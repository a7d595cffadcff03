"""The client of WeChat Pay v3, merchant transfer in the user-confirmation mode: bills, queries, notifications, fund flow.

Requests are signed with the merchant's key. Answers and notifications are accepted only with the signature of a key of WeChat
Pay. Several keys may be valid at once, as while a merchant moves from platform certificates to the public key.
https://pay.weixin.qq.com/doc/v3/merchant/4012711988
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from integrations.http import OutcomeUnknown, OutsideError, Refused, is_success, json_of, send
from integrations.wechat.fund_flow import Flow, read_fund_flow, unpacked
from integrations.wechat.keys import read_private_key, read_verification_key

SYSTEM = "pay"
BILLS = "/v3/fund-app/mch-transfer/transfer-bills"
FUND_FLOW = "/v3/bill/fundflowbill"
TRANSFER_EVENTS = "MCHTRANSFER.BILL."  # the prefix of the event types of transfers
REAL_NAME_FROM_FEN = 200_000
CLOCK_TOLERANCE_SECONDS = 300
NOT_FOUND = "NOT_FOUND"
NO_STATEMENT = "NO_STATEMENT_EXIST"
# Errors after which this call certainly made no transfer. After any other error, new codes included, the transfer may
# exist: it is queried under the same number, which is never replaced. "Not found" is certain for a query only.
CERTAIN_ERRORS = frozenset({"PARAM_ERROR", "INVALID_REQUEST", "NO_AUTH", "NOT_ENOUGH", "ACCOUNT_ERROR"})
# Errors that do not concern this bill: the next call would have them too.
BUSY_CODES = frozenset({"FREQUENCY_LIMITED", "FREQUENCY_LIMIT_EXCEED", "SYSTEM_ERROR"})


class BillState(StrEnum):
    """The states of a transfer bill, by WeChat Pay's names."""

    ACCEPTED = "ACCEPTED"
    PROCESSING = "PROCESSING"
    WAIT_USER_CONFIRM = "WAIT_USER_CONFIRM"
    TRANSFERING = "TRANSFERING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    CANCELING = "CANCELING"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class TransferBill:
    """A bill as WeChat Pay answers. `state` may be newer than BillState; some answers have no amount."""

    out_bill_no: str
    state: str
    package_info: str = ""
    fail_reason: str = ""
    amount_fen: int | None = None


class BadSignature(OutsideError):
    """The message is not from WeChat Pay, or was changed on the way."""

    def __init__(self) -> None:
        super().__init__(SYSTEM, "signature does not verify")


class UnusableNotification(OutsideError):
    """A notification that WeChat Pay signed and that cannot be used here. `why` goes into the answer."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(SYSTEM, why)


# After a call that is neither done nor Refused nor Unavailable, the outcome is unknown, and the bill has to be queried. The
# class shows which other calls would fare the same: those of all payouts until a setting is corrected (SignatureRejected),
# none (UnclearBill), or for a while those to this system (OutcomeUnknown itself: a timeout, a broken connection).
class SignatureRejected(OutcomeUnknown):
    """WeChat Pay could not verify our signature, so every call fails until the merchant's key or certificate is corrected.

    It does not sign such an answer, so the answer may come from anybody, and the state of the bill is unknown.
    """

    def __init__(self) -> None:
        super().__init__(SYSTEM, "HTTP 401, not signed by WeChat Pay")


class UnclearBill(OutcomeUnknown):
    """WeChat Pay's signed answer about one bill has an unknown error code or invalid content. Other bills are not affected."""


@dataclass(frozen=True)
class Merchant:
    """The merchant's account at WeChat Pay."""

    app_id: str
    mch_id: str
    cert_serial: str
    private_key_file: Path
    verification_keys: Mapping[str, Path]  # serial → public key or certificate (PEM); the first one is in use
    api_v3_key: str
    notify_url: str
    scene_id: str
    scene_report: list[dict[str, str]]
    fund_account: str


def signing_text(*parts: str) -> bytes:
    """Return the text that v3 signs: each part on a line of its own, with a line feed behind the last one."""
    return "".join(f"{part}\n" for part in parts).encode()


class WeChatPay:
    """The client. Money is in fen. A call returns a TransferBill, or raises Refused (no bill) or OutcomeUnknown (query)."""

    def __init__(self, base_url: str, merchant: Merchant, timeout: float) -> None:
        self.base_url, self.merchant, self.timeout = base_url.rstrip("/"), merchant, timeout
        self.serial = next(iter(merchant.verification_keys))  # sent as Wechatpay-Serial; its key encrypts names
        self._read_keys: dict[str, RSAPublicKey] = {}

    @classmethod
    def from_settings(cls) -> "WeChatPay":
        merchant = Merchant(
            app_id=settings.WECHAT_PAY_APP_ID,
            mch_id=settings.WECHAT_PAY_MCH_ID,
            cert_serial=settings.WECHAT_PAY_CERT_SERIAL,
            private_key_file=settings.WECHAT_PAY_PRIVATE_KEY_FILE,
            verification_keys={settings.WECHAT_PAY_PUBLIC_KEY_ID: settings.WECHAT_PAY_PUBLIC_KEY_FILE}
            | {serial: Path(file) for serial, file in settings.WECHAT_PAY_MORE_KEYS.items()},
            api_v3_key=settings.WECHAT_PAY_API_V3_KEY,
            notify_url=settings.WECHAT_PAY_NOTIFY_URL,
            scene_id=settings.WECHAT_PAY_SCENE_ID,
            scene_report=settings.WECHAT_PAY_SCENE_REPORT,
            fund_account=settings.WECHAT_PAY_FUND_ACCOUNT,
        )
        return cls(settings.WECHAT_PAY_BASE_URL, merchant, settings.WECHAT_PAY_TIMEOUT)

    def transfer(
        self, *, out_bill_no: str, openid: str, amount_fen: int, remark: str, app_id: str = "", real_name: str = ""
    ) -> TransferBill:
        """Create one transfer bill. The same number again returns the same bill. `remark` has at most 32 characters.

        `app_id` is the app of the open_id, by default the merchant's own. Raises ValueError from 2,000 yuan on without
        `real_name`.
        """
        if amount_fen >= REAL_NAME_FROM_FEN and not real_name:
            raise ValueError("a transfer from 2,000 yuan on needs the real name of its receiver")
        body: dict[str, Any] = {
            "appid": app_id or self.merchant.app_id,
            "out_bill_no": out_bill_no,
            "transfer_scene_id": self.merchant.scene_id,
            "openid": openid,
            "transfer_amount": amount_fen,
            "transfer_remark": remark[:32],
            "notify_url": self.merchant.notify_url,
            "transfer_scene_report_infos": self.merchant.scene_report,
        }
        if amount_fen >= REAL_NAME_FROM_FEN:
            body["user_name"] = self._encrypted(real_name)
        return self._bill(self._call("POST", BILLS, body), out_bill_no)

    def query(self, out_bill_no: str) -> TransferBill:
        """Return the bill with this number. Raises Refused with NOT_FOUND when there is none (bills are kept 30 days)."""
        answer = self._call("GET", f"{BILLS}/out-bill-no/{out_bill_no}", certain=CERTAIN_ERRORS | {NOT_FOUND})
        return self._bill(answer, out_bill_no)

    def cancel(self, out_bill_no: str) -> TransferBill:
        """Cancel a bill that its receiver has not confirmed, and return it."""
        return self._bill(self._call("POST", f"{BILLS}/out-bill-no/{out_bill_no}/cancel", {}), out_bill_no)

    def read_notification(self, headers: Mapping[str, str], body: bytes) -> TransferBill:
        """Return the bill of a notification.

        Raises BadSignature when WeChat Pay did not sign it, UnusableNotification when it is not about a transfer bill.
        """
        self._verify(headers, body)
        try:
            notification = json.loads(body)
            kind = str(notification.get("event_type") or TRANSFER_EVENTS)
            if not kind.startswith(TRANSFER_EVENTS):
                raise UnusableNotification(f"这里只接收商家转账的通知，收到的是 {kind[:64]}")
            content = json.loads(self._decrypted(notification["resource"]))
            number = content["out_bill_no"]
            if not isinstance(number, str):
                raise UnusableNotification("通知里没有商家单号")
            return self._bill(content, number)
        except (ValueError, KeyError, TypeError, AttributeError, UnclearBill) as error:
            raise UnusableNotification("通知的内容无法识别") from error

    def _decrypted(self, resource: Mapping[str, str]) -> bytes:
        nonce, associated = resource["nonce"].encode(), (resource.get("associated_data") or "").encode()
        ciphertext = base64.b64decode(resource["ciphertext"])
        try:
            return AESGCM(self.merchant.api_v3_key.encode()).decrypt(nonce, ciphertext, associated)
        except InvalidTag as error:
            raise UnusableNotification("通知的内容无法解密，请检查 APIv3 密钥") from error

    def fund_flow(self, day: date) -> list[Flow] | None:
        """Return the transfers of that day's fund-flow file of the paying account, None when there is no file.

        WeChat Pay creates the file of a day on the next morning. Its signed answer has the file's hash. Raises Unreadable.
        """
        query = f"{FUND_FLOW}?bill_date={day:%Y-%m-%d}&account_type={self.merchant.fund_account}"
        try:
            answer = self._call("GET", query, certain=CERTAIN_ERRORS | {NO_STATEMENT})
        except Refused as error:
            if error.code == NO_STATEMENT:
                return None
            raise
        url, sha1 = answer.get("download_url"), answer.get("hash_value")
        if not isinstance(url, str) or not isinstance(sha1, str):
            raise OutcomeUnknown(SYSTEM, "no address of the bill")
        return read_fund_flow(self._file(url, sha1))

    def _file(self, url: str, sha1: str) -> bytes:
        """Download a file. Our base URL replaces the host of `url`, so that the signed request goes to no other host."""
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}"
        headers = {"Authorization": self._authorization("GET", path, b""), "Accept": "*/*"}
        response = send(SYSTEM, "GET", self.base_url + path, timeout=self.timeout * 6, headers=headers)
        if not is_success(response.status_code):
            raise OutcomeUnknown(SYSTEM, f"HTTP {response.status_code} for the file")
        raw = response.content
        # The hash belongs to the uncompressed file.
        if sha1.lower() not in (_sha1(raw), _sha1(unpacked(raw))):
            raise BadSignature
        return raw

    @cached_property
    def _private_key(self) -> RSAPrivateKey:
        return read_private_key(self.merchant.private_key_file)

    def _verification_key(self, serial: str) -> RSAPublicKey:
        """Return the key with this serial. Raises KeyError when the serial is not configured."""
        if serial not in self._read_keys:
            self._read_keys[serial] = read_verification_key(self.merchant.verification_keys[serial])
        return self._read_keys[serial]

    def _encrypted(self, text: str) -> str:
        """Encrypt personal data with OAEP and SHA-1, as WeChat Pay prescribes."""
        oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303
        return base64.b64encode(self._verification_key(self.serial).encrypt(text.encode(), oaep)).decode()

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        certain: frozenset[str] = CERTAIN_ERRORS,
    ) -> dict[str, Any]:
        """Return the signed answer to a call that was done. Raises Refused only for the `certain` errors."""
        raw = json.dumps(body, ensure_ascii=False).encode() if body is not None else b""
        headers = {
            "Authorization": self._authorization(method, path, raw),
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Wechatpay-Serial": self.serial,
        }
        url = self.base_url + path
        response = send(SYSTEM, method, url, timeout=self.timeout, data=raw or None, headers=headers)
        self._verify_response(response)
        answer = json_of(SYSTEM, response)
        if not isinstance(answer, dict):
            raise OutcomeUnknown(SYSTEM, "not an object")
        if not is_success(response.status_code):
            raise _refusal(str(answer.get("code", "")), str(answer.get("message", "")), certain)
        return answer

    def _authorization(self, method: str, path: str, raw: bytes) -> str:
        stamp, nonce = str(int(time.time())), secrets.token_hex(16)
        text = signing_text(method, path, stamp, nonce, raw.decode())
        signed = self._private_key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        parts = {
            "mchid": self.merchant.mch_id,
            "nonce_str": nonce,
            "signature": base64.b64encode(signed).decode(),
            "timestamp": stamp,
            "serial_no": self.merchant.cert_serial,
        }
        return "WECHATPAY2-SHA256-RSA2048 " + ",".join(f'{name}="{value}"' for name, value in parts.items())

    def _verify_response(self, response: requests.Response) -> None:
        """Raise SignatureRejected or OutcomeUnknown for a response without a valid signature, whatever its content."""
        try:
            self._verify(response.headers, response.content)
        except BadSignature as error:
            if response.status_code == HTTPStatus.UNAUTHORIZED:
                raise SignatureRejected from error
            raise OutcomeUnknown(SYSTEM, f"HTTP {response.status_code}, not signed by WeChat Pay") from error

    def _verify(self, headers: Mapping[str, str], body: bytes) -> None:
        stamp, nonce = headers.get("Wechatpay-Timestamp", ""), headers.get("Wechatpay-Nonce", "")
        serial = headers.get("Wechatpay-Serial", "")
        try:
            if (
                serial not in self.merchant.verification_keys
                or abs(time.time() - int(stamp)) > CLOCK_TOLERANCE_SECONDS
            ):
                raise BadSignature
            signed = base64.b64decode(headers.get("Wechatpay-Signature", ""))
            text = signing_text(stamp, nonce, body.decode())
            self._verification_key(serial).verify(signed, text, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError) as error:
            raise BadSignature from error

    @staticmethod
    def _bill(answer: dict[str, Any], out_bill_no: str) -> TransferBill:
        state, amount = answer.get("state"), answer.get("transfer_amount")
        if answer.get("out_bill_no", out_bill_no) != out_bill_no or not state or not isinstance(state, str):
            raise UnclearBill(SYSTEM, "answer about no bill of ours")
        if amount is not None and (not isinstance(amount, int) or isinstance(amount, bool)):
            raise UnclearBill(SYSTEM, "answer with an amount that is no number of fen")
        return TransferBill(
            out_bill_no=out_bill_no,
            state=state,
            package_info=str(answer.get("package_info") or ""),
            fail_reason=str(answer.get("fail_reason") or ""),
            amount_fen=amount,
        )


def _sha1(raw: bytes) -> str:
    return hashlib.sha1(raw).hexdigest()  # noqa: S324 - WeChat Pay's choice


def _refusal(code: str, message: str, certain: frozenset[str]) -> OutsideError:
    if code in certain:
        return Refused(SYSTEM, code, message)
    unknown = OutcomeUnknown if code in BUSY_CODES else UnclearBill
    return unknown(SYSTEM, f"{code} {message}".strip())
