"""Proving a phone by an SMS code: six digits, 60 minutes, bound to user and phone, five tries.

What is on the phone already stays valid until the provider has accepted the next code.
"""

import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.models import User, VerificationCode
from config.errors import Code, OutsideFailed, Refusal
from config.platform.signatures import is_keyed_hash, keyed_hash
from integrations.aliyun.sms import PHONE_PATTERN, AliyunSms
from integrations.http import Later, OutcomeUnknown, OutsideError

__all__ = ["PHONE_PATTERN", "prove_phone", "send_code"]
VALID_FOR = timedelta(minutes=60)
WRONG_TRIES = 5
_SALT = "accounts.verification"
WAIT_SECONDS = 60  # when the provider says "later" and not for how long


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
    """The provider's flow control; `retry_after` says in how many seconds to come back."""

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
    """Send a new code, which replaces those before it when the provider accepts it.

    Raises 2304 when the provider's flow control stops it, 1101 when the provider does not take it or does not answer.
    Without an answer the new code may be on the phone, so that it and the one before are valid.
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
    return SmsLimited(error.retry_after) if isinstance(error, Later) else SmsNotSent()


def prove_phone(*, user: User, phone: str, code: str, at: datetime) -> None:
    """Give the user this phone.

    Raises 2301 when the code is not the one that was sent, 2302 when no code for this phone can be used any more
    (none was sent, or it was used, is older than an hour, or met five wrong tries), 2303 when the phone is taken.
    """
    refusal = _use_code(user, phone, code, at)
    if refusal is not None:
        raise refusal


@transaction.atomic
def _use_code(user: User, phone: str, code: str, at: datetime) -> Refusal | None:
    """A wrong try is counted even though it is refused, so the refusal is returned, not raised."""
    given = _usable(user, phone, at)
    if not given:
        return SmsCodeExpired()
    if not any(is_keyed_hash(one.code_hash, _SALT, _hashed_text(user, phone, code)) for one in given):
        VerificationCode.objects.filter(pk__in=[one.pk for one in given]).update(wrong_tries=F("wrong_tries") + 1)
        return SmsCodeWrong()
    try:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(phone=phone)
    except IntegrityError:
        return PhoneTaken()
    VerificationCode.objects.filter(user=user, phone=phone, used_at=None).update(used_at=at)
    return None


def _usable(user: User, phone: str, at: datetime) -> list[VerificationCode]:
    """Lock and return the codes that may be on the phone: more than one when nobody knows which was sent last."""
    codes = VerificationCode.objects.select_for_update().filter(user=user, phone=phone, used_at=None)
    return list(codes.filter(expires_at__gt=at, wrong_tries__lt=WRONG_TRIES).order_by("pk"))
