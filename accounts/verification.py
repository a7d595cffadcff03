"""Proving a phone by an SMS code: six digits, 60 minutes, bound to user and phone, five tries."""

import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import User, VerificationCode
from config.errors import Code, OutsideFailed, Refusal
from integrations.http import OutsideError
from integrations.sms import PHONE_PATTERN, AliyunSms

__all__ = ["PHONE_PATTERN", "prove_phone", "send_code"]
VALID_FOR = timedelta(minutes=60)
WRONG_TRIES = 5


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


def _hash(user: User, phone: str, code: str) -> str:
    return salted_hmac("accounts.verification", f"{user.pk}:{phone}:{code}", algorithm="sha256").hexdigest()


def send_code(*, user: User, phone: str, at: datetime) -> None:
    """Send a new code; it replaces the one before. 1101 when SMS does not take it."""
    code = f"{secrets.randbelow(1_000_000):06d}"
    fresh = {
        "code_hash": _hash(user, phone, code),
        "sent_at": at,
        "expires_at": at + VALID_FOR,
        "wrong_tries": 0,
        "used_at": None,
    }
    VerificationCode.objects.update_or_create(user=user, phone=phone, defaults=fresh)
    try:
        AliyunSms.from_settings().send_code(phone, code)
    except OutsideError as error:
        raise SmsNotSent from error


def prove_phone(*, user: User, phone: str, code: str, at: datetime) -> None:
    """Give the user this phone.

    Raises 2301 when the code is not the one that was sent, 2302 when no code for this phone can be used any more
    (none was sent, or it was used, is older than an hour, or met five wrong tries), 2303 when the phone is taken.
    """
    refusal = _take_code(user, phone, code, at)
    if refusal is not None:
        raise refusal


@transaction.atomic
def _take_code(user: User, phone: str, code: str, at: datetime) -> Refusal | None:
    """A wrong try is counted even though it is refused, so the refusal is returned, not raised."""
    given = VerificationCode.objects.select_for_update().filter(user=user, phone=phone, used_at=None).first()
    if given is None or given.expires_at <= at or given.wrong_tries >= WRONG_TRIES:
        return SmsCodeExpired()
    if not constant_time_compare(given.code_hash, _hash(user, phone, code)):
        given.wrong_tries += 1
        given.save(update_fields=["wrong_tries"])
        return SmsCodeWrong()
    try:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(phone=phone)
    except IntegrityError:
        return PhoneTaken()
    given.used_at = at
    given.save(update_fields=["used_at"])
    return None
