"""WeChat Pay's codes for the state or failure of a transfer, explained for operators."""

import re

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_CODE = re.compile(r"[A-Z]{2,}(?:_[A-Z]+)*")
_EXPIRED = _("用户没有在 24 小时内确认收款")
_WRONG_NAME = _("实名信息与微信支付的不一致")
_QUOTA = _("收款额度已满")
_MEANINGS: dict[str, Promise] = {
    "ACCEPTED": _("已受理"),
    "PROCESSING": _("处理中"),
    "WAIT_USER_CONFIRM": _("待用户确认"),
    "TRANSFERING": _("转账中"),
    "SUCCESS": _("成功"),
    "FAIL": _("失败"),
    "CANCELING": _("撤销中"),
    "CANCELLED": _("已撤销"),
    "OVERDUE_CLOSE": _EXPIRED,
    "MERCHANT_NOT_CONFIRM": _EXPIRED,
    "ACCOUNT_FROZEN": _("收款账户被冻结"),
    "ACCOUNT_NOT_EXIST": _("没有开通微信支付"),
    "REAL_NAME_CHECK_FAIL": _("微信支付没有实名"),
    "NAME_NOT_CORRECT": _WRONG_NAME,
    "ID_CARD_NOT_CORRECT": _WRONG_NAME,
    "DAY_RECEIVED_QUOTA_EXCEED": _QUOTA,
    "DAY_RECEIVED_COUNT_EXCEED": _("当日收款次数已满"),
    "REALNAME_ACCOUNT_RECEIVED_QUOTA_EXCEED": _QUOTA,
    "RECEIVE_ACCOUNT_NOT_PERMMIT": _("收款账户不能收款"),
    "TRANSFER_RISK": _("微信支付认为有风险"),
    "NOT_ENOUGH": _("商户账户余额不足"),
}


def explained(text: str) -> str:
    """Return the text with each known code behind its meaning: "收款账户被冻结（ACCOUNT_FROZEN）"."""
    return _CODE.sub(lambda code: f"{_MEANINGS[code[0]]}（{code[0]}）" if code[0] in _MEANINGS else code[0], text)
