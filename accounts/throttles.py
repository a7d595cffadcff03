"""SMS codes cost money and annoy: one in 20 seconds and ten a day, per user and per phone."""

import re
from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.verification import PHONE_PATTERN
from config.api.throttles import TooManyRequests, seconds_to_wait
from config.errors import Code


class SmsTooOften(TooManyRequests):
    code = Code.SMS_TOO_OFTEN
    message = "验证码发送太频繁,请稍后再试"


class SmsThrottle(BaseThrottle):
    """Counts only requests that would send something."""

    def allow_request(self, request: Request, view: Any) -> bool:
        phone = request.query_params.get("phone", "").strip()
        if not re.match(PHONE_PATTERN, phone):
            return True
        for scope in ("sms", "sms_day"):
            for who in (f"user:{request.user.pk}", f"phone:{phone}"):
                wait = seconds_to_wait(scope, who)
                if wait:
                    raise SmsTooOften(retry_after=wait)
        return True
