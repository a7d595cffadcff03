"""Verification of a phone by an SMS code: six digits, 60 minutes, bound to user and phone, five tries.

The codes sent earlier stay valid until the provider has accepted the next one.
"""

import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.models import User, VerificationCode
from config.errors import Code, OutsideFailed, Refusal
from config.platform.signatures import is_keyed_hash, keyed_hash
from integrations.aliyun.sms import PHONE_PATTERN, AliyunSms
from integrations.http import Busy, OutcomeUnknown, OutsideError

__all__ = ["PHONE_PATTERN", "prove_phone", "send_code"]
VALID_FOR = timedelta(minutes=60)
WRONG_TRIES = 5
_SALT = "accounts.verification"
WAIT_SECONDS = 60  # when the provider limits the rate without a waiting time


class SmsCodeWrong(Refusal):
    code = Code.SMS_CODE_WRONG
    message = "验证码错误，请核对短信后重新输入"


class SmsCodeExpired(Refusal):
    code = Code.SMS_CODE_EXPIRED
    message = "验证码已失效，请重新获取"


class PhoneTaken(Refusal):
    code = Code.PHONE_TAKEN
    message = "该手机号已被其他用户绑定，请换一个手机号"


class SmsNotSent(OutsideFailed):
    message = "短信发送失败，请稍后再试"


class SmsMaybeSent(OutsideFailed):
    message = "短信可能已经发出，收到后可以直接填写；没有收到请稍后再试"


class SmsLimited(Refusal):
    """Refusal by the provider's flow control; `retry_after` is the waiting time in seconds."""

    code = Code.SMS_TOO_OFTEN
    message = "短信发送太频繁，请稍后再试"

    def __init__(self, retry_after: int | None = None) -> None:
        self.retry_after = retry_after or WAIT_SECONDS
        super().__init__(f"短信发送太频繁，请在 {_duration_text(retry_after)}后再试" if retry_after else None)


def _duration_text(seconds: int) -> str:
    if seconds >= 3600:
        return f"{seconds // 3600} 小时"
    return f"{seconds // 60} 分钟" if seconds >= 60 else f"{seconds} 秒"


def _hashed_text(user: User, phone: str, code: str) -> str:
    return f"{user.pk}:{phone}:{code}"


def send_code(*, user: User, phone: str, at: datetime) -> None:
    """Send a new code, which replaces the earlier ones once the provider accepts it.

    Raises SmsLimited (2304) by the provider's flow control, SmsNotSent (1101) when the provider refuses it, and
    SmsMaybeSent (1101) without an answer: the new code may be on the phone, so both codes stay valid.
    """
    code = f"{secrets.randbelow(1_000_000):06d}"
    new = VerificationCode.objects.create(
        user=user,
        phone=phone,
        code_hash=keyed_hash(_SALT, _hashed_text(user, phone, code)),
        sent_at=at,
        expires_at=at + VALID_FOR,
    )
    try:
        AliyunSms.from_settings().send_code(phone, code)
    except OutcomeUnknown as error:
        raise SmsMaybeSent from error
    except OutsideError as error:
        new.delete()
        raise _not_sent(error) from error
    VerificationCode.objects.filter(user=user, phone=phone, pk__lt=new.pk).delete()


def _not_sent(error: OutsideError) -> Refusal:
    return SmsLimited(error.retry_after) if isinstance(error, Busy) else SmsNotSent()


def prove_phone(*, user: User, phone: str, code: str, at: datetime) -> None:
    """Store the user's phone after checking the code.

    Raises SmsCodeWrong (2301), SmsCodeExpired (2302) when this phone has no usable code (none was sent, or it was used,
    is older than an hour, or had five wrong tries), PhoneTaken (2303) when another user has the phone.
    """
    refusal = _use_code(user, phone, code, at)
    if refusal is not None:
        raise refusal


@transaction.atomic
def _use_code(user: User, phone: str, code: str, at: datetime) -> Refusal | None:
    """Use a code. Returns the refusal instead of raising it, so that the count of wrong tries is committed."""
    codes = _usable(user, phone, at)
    if not codes:
        return SmsCodeExpired()
    if not any(is_keyed_hash(row.code_hash, _SALT, _hashed_text(user, phone, code)) for row in codes):
        VerificationCode.objects.filter(pk__in=[row.pk for row in codes]).update(wrong_tries=F("wrong_tries") + 1)
        return SmsCodeWrong()
    try:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(phone=phone)
    except IntegrityError:
        return PhoneTaken()
    VerificationCode.objects.filter(user=user, phone=phone, used_at=None).update(used_at=at)
    return None


def _usable(user: User, phone: str, at: datetime) -> list[VerificationCode]:
    """Lock and return the usable codes: more than one when it is unknown whether the last was sent."""
    codes = VerificationCode.objects.select_for_update().filter(user=user, phone=phone, used_at=None)
    return list(codes.filter(expires_at__gt=at, wrong_tries__lt=WRONG_TRIES).order_by("pk"))
