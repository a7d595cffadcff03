"""The channels of alarms: group robots of WeCom and DingTalk by their webhooks, and e-mail.

Both robots accept {"msgtype": "text", "text": {"content": ...}} and answer {"errcode": 0}. A robot of DingTalk with a
secret wants the time in milliseconds and its signature in the address.
"""

import base64
import hashlib
import hmac
import time
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail

from integrations import http
from integrations.models import AlarmChannel

_WECOM = http.ResponseFormat("wecom", code="errcode", done="0", message="errmsg", busy_codes=("45009",))
_DINGTALK = http.ResponseFormat(
    "dingtalk", code="errcode", done="0", message="errmsg", busy_codes=("130101", "130102")
)


def notify_by(channel: str, subject: str, text: str) -> None:
    """Send a text by this channel. Raises OutsideError."""
    match channel:
        case AlarmChannel.WECOM:
            _to_robot(_WECOM, settings.ALARM_WECOM_WEBHOOK, {}, text)
        case AlarmChannel.DINGTALK:
            _to_robot(_DINGTALK, settings.ALARM_DINGTALK_WEBHOOK, _signature(), text)
        case _:
            _by_email(subject, text)


def _to_robot(form: http.ResponseFormat, webhook: str, params: dict[str, str], text: str) -> None:
    body = {"msgtype": "text", "text": {"content": text}}
    response = http.send(form.system, "POST", webhook, timeout=settings.ALARM_TIMEOUT, params=params, json=body)
    form.read_response(response)


def _signature() -> dict[str, str]:
    secret = settings.ALARM_DINGTALK_SECRET
    if not secret:
        return {}
    moment = str(int(time.time() * 1000))
    digest = hmac.new(secret.encode(), f"{moment}\n{secret}".encode(), hashlib.sha256).digest()
    return {"timestamp": moment, "sign": base64.b64encode(digest).decode()}


def _by_email(subject: str, text: str) -> None:
    try:
        send_mail(subject, text, settings.ALARM_EMAIL_FROM, settings.ALARM_EMAILS)
    except (SMTPException, OSError) as error:
        raise http.Unavailable("email", type(error).__name__) from error
