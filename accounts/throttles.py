"""Throttles of people: SMS codes cost money and annoy, and operations under WeChat's proof must not be tried out."""

import re
from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.verification import PHONE_PATTERN
from config.api import proofs
from config.api.throttles import TooManyRequests, client_address, count_call
from config.errors import Code


class SmsTooOften(TooManyRequests):
    code = Code.SMS_TOO_OFTEN
    message = "验证码发送太频繁，请稍后再试"


class ProofThrottle(BaseThrottle):
    """Counts each person for whom WeChat vouched, and everybody else per address.

    Thousands of phones share one carrier's address, and a refused sign-in freezes the client.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        proof = proofs.read_signed(request)
        count_call("auth", f"union:{proof.union_id}" if proof else client_address(request))
        return True


class SmsThrottle(BaseThrottle):
    """Counts only requests that would send something: one in 20 seconds and ten a day, per user and per phone."""

    def allow_request(self, request: Request, view: Any) -> bool:
        phone = request.query_params.get("phone", "").strip()
        if not re.match(PHONE_PATTERN, phone):
            return True
        for scope in ("sms", "sms_day"):
            for who in (f"user:{request.user.pk}", f"phone:{phone}"):
                count_call(scope, who, refusal=SmsTooOften)
        return True
