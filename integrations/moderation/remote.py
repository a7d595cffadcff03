"""The remote check of users' texts: WeChat's msg_sec_check or Aliyun's text moderation, if one is configured."""

import json
import logging
import time
from collections.abc import Sequence

from django.conf import settings
from django.core.cache import cache

from config.platform.cache import cached
from integrations.aliyun import rpc
from integrations.http import OutcomeUnknown, OutsideError, Refused, ResponseFormat, Unavailable, send
from integrations.wechat.login import SYSTEM as WECHAT
from integrations.wechat.login import WeChat

logger = logging.getLogger(__name__)

ALIYUN = "aliyun"
_FORMAT = ResponseFormat(ALIYUN, code="Code", done="200", message="Message")
RISKY = "87014"  # WeChat's code for a risky text
TOKEN_EXPIRED = ("40001", "42001")
TOKEN_SECONDS = 300
ALIYUN_MAX_LENGTH = 600
OVERLAP = 64  # of two pieces, so that a word at the cut is whole in one of them
SERVICE = "comment_detection"  # Aliyun's rules for messages between people


def is_risky(texts: Sequence[str]) -> bool:
    """Return whether the remote check considers one of these texts risky.

    Returns false without a configured check, and when it does not answer in MODERATION_TIMEOUT seconds, which all its
    calls share.
    """
    check = _CHECKS.get(settings.MODERATION_REMOTE)
    if check is None or not texts:
        return False
    try:
        return check("\n".join(texts), time.monotonic() + settings.MODERATION_TIMEOUT)
    except OutsideError as error:
        logger.warning("The remote check of a text failed, only the list was checked: %s", error)
        return False


def _remaining(system: str, deadline: float) -> float:
    """Return the seconds until the deadline. Raises Unavailable when it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise Unavailable(system, "no time left")
    return seconds


def _wechat(text: str, deadline: float) -> bool:
    app_id = settings.MODERATION_WECHAT_APP_ID
    key = f"wechat-token:{app_id}"
    token = cached(key, TOKEN_SECONDS, lambda: _wechat_until(deadline).stable_token(app_id))
    try:
        _wechat_until(deadline).check_text(token, text)
    except Refused as refusal:
        if refusal.code in TOKEN_EXPIRED:
            cache.delete(key)
        if refusal.code != RISKY:
            raise
        return True
    return False


def _wechat_until(deadline: float) -> WeChat:
    return WeChat(settings.WECHAT_BASE_URL, settings.WECHAT_APPS, _remaining(WECHAT, deadline))


def _aliyun(text: str, deadline: float) -> bool:
    starts = range(0, max(1, len(text) - OVERLAP), ALIYUN_MAX_LENGTH - OVERLAP)
    return any(_is_labeled(text[start : start + ALIYUN_MAX_LENGTH], deadline) for start in starts)


def _is_labeled(text: str, deadline: float) -> bool:
    form = rpc.signed_form(
        "TextModeration",
        "2022-03-02",
        key_id=settings.SMS_ACCESS_KEY_ID,
        secret=settings.SMS_ACCESS_KEY_SECRET,
        Service=SERVICE,
        ServiceParameters=json.dumps({"content": text}, ensure_ascii=False),
    )
    url = settings.MODERATION_ALIYUN_BASE_URL.rstrip("/") + "/"
    answer = _FORMAT.read_response(send(ALIYUN, "POST", url, timeout=_remaining(ALIYUN, deadline), data=form))
    data = answer.get("Data")
    if not isinstance(data, dict):
        raise OutcomeUnknown(ALIYUN, "answer without Data")
    return bool(data.get("labels"))


_CHECKS = {WECHAT: _wechat, ALIYUN: _aliyun}
