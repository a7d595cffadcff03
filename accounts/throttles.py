"""Throttles of SMS codes, which cost money, and of operations with a WeChat proof, which must not be probed."""

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import User
from config.api import proofs
from config.api.throttles import TooManyRequests, client_address, count_call
from config.errors import Code


class SmsTooOften(TooManyRequests):
    code = Code.SMS_TOO_OFTEN
    message = "验证码发送太频繁，请稍后再试"


class ProofThrottle(BaseThrottle):
    """A throttle per WeChat account for callers with a proof, and per address for all others.

    Thousands of phones share one carrier's address, and a refused sign-in freezes the client.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        proof = proofs.read_signed(request)
        count_call("auth", f"union:{proof.union_id}" if proof else client_address(request))
        return True


def count_sms(user: User, phone: str) -> None:
    """Count one requested code for the user and for the phone. Raises SmsTooOften.

    `phone` is the validated number: another spelling of it must not be counted separately.
    """
    for scope in ("sms", "sms_day"):
        for key in (f"user:{user.pk}", f"phone:{phone}"):
            count_call(scope, key, refusal=SmsTooOften)
