"""The page on which a user confirms a transfer: its address, and its texts for each stage of a withdrawal."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.conf import settings

from accounts.models import User
from config.site import short_links
from earnings.models import Payout, Withdrawal
from robots.friendships import latest_robot_of
from robots.models import Source, SourceType
from robots.outbox import writing

Status = Withdrawal.Status


class Stage(StrEnum):
    """The stage of a withdrawal as its user sees it."""

    REVIEWING = "reviewing"
    REJECTED = "rejected"
    PAYING = "paying"
    TO_CONFIRM = "to_confirm"
    TRANSFERRING = "transferring"  # confirmed; the user may confirm again if it gets stuck
    CANCELLING = "cancelling"
    CHECKING = "checking"
    PAID = "paid"
    FAILED = "failed"


@dataclass(frozen=True)
class Notice:
    """The heading, the text and the icon of a page."""

    title: str
    text: str
    tone: str  # waiting, done, warning: an icon


NOTICES = {
    Stage.REVIEWING: Notice("正在审核", "审核通过后，机器人会发私信给你，打开里面的链接就能收款。", "waiting"),
    Stage.REJECTED: Notice("提现没有通过", "金额已退回余额。", "warning"),
    Stage.PAYING: Notice("正在打款", "微信支付正在处理，一般几分钟就好，请稍后再来查看。", "waiting"),
    Stage.TO_CONFIRM: Notice("等待你确认收款", "确认后，钱会存入你的微信零钱。", "waiting"),
    Stage.TRANSFERRING: Notice(
        "正在到账", "微信支付正在转账，一般几秒钟就好。很久没有到账的话，可以再确认一次，不会重复付款。", "waiting"
    ),
    Stage.CANCELLING: Notice("这笔收款已停止", "账号已被封，不能再确认收款。如有疑问，请联系客服。", "warning"),
    Stage.CHECKING: Notice("正在核实", "这笔打款的结果需要人工核实，核实完成前请耐心等待，钱不会丢失。", "waiting"),
    Stage.PAID: Notice("已到账", "钱已存入你的微信零钱，可以在微信“我-服务-钱包”里查看。", "done"),
    Stage.FAILED: Notice("打款没有成功", "金额已退回余额，可以重新申请提现。", "warning"),
}
# Texts for WeChat Pay's failure reasons that the receiver can act on.
_EXPIRED = "超过 24 小时没有确认收款，这笔转账已取消。"
_REASONS = {
    "CANCELLED": _EXPIRED,
    "OVERDUE_CLOSE": _EXPIRED,
    "MERCHANT_NOT_CONFIRM": _EXPIRED,
    "ACCOUNT_FROZEN": "你的微信支付账户被冻结，请在微信里解除冻结后再提现。",
    "ACCOUNT_NOT_EXIST": "你的微信还没有开通微信支付，请开通后再提现。",
    "REAL_NAME_CHECK_FAIL": "你的微信支付还没有实名，请在微信里完成实名后再提现。",
    "NAME_NOT_CORRECT": "实名信息与微信支付的不一致，请核对后再提现。",
    "ID_CARD_NOT_CORRECT": "实名信息与微信支付的不一致，请核对后再提现。",
    "DAY_RECEIVED_QUOTA_EXCEED": "你今天的微信收款已达上限，请明天再提现。",
    "DAY_RECEIVED_COUNT_EXCEED": "你今天的微信收款次数已达上限，请明天再提现。",
    "REALNAME_ACCOUNT_RECEIVED_QUOTA_EXCEED": "你的微信支付账户收款已达上限，请在微信里完善身份信息后再提现。",
    "RECEIVE_ACCOUNT_NOT_PERMMIT": "你的微信支付账户暂时不能收款，请在微信里查看原因后再提现。",
    "TRANSFER_RISK": "微信支付认为这笔转账有风险，请稍后再提现，或联系客服。",
}
_DECIDED = "经核实这笔收款没有到账，金额已退回余额。如有疑问，请联系客服。"
_BLOCKED = "账号已被封，这笔收款已取消。如有疑问，请联系客服。"
_NO_ACCOUNT = "申请提现时，你的账号还没有绑定微信，无法打款。"
_UNKNOWN_REASON = "微信支付没有完成这笔转账；多次失败的话，请联系客服。"


def address_of(withdrawal_id: UUID) -> str:
    """Return the URL of the page for this withdrawal."""
    return f"{settings.PUBLIC_BASE_URL}{path_of(withdrawal_id)}"


def path_of(withdrawal_id: UUID) -> str:
    """Return the path of the page for this withdrawal."""
    return f"/payouts/{withdrawal_id}/confirm"


def send_link(payout: Payout, *, at: datetime) -> None:
    """Send the user the link of the page, once, through the robot added last, if the user can confirm the transfer."""
    user = payout.withdrawal.user
    robot = latest_robot_of(user) if payout.package_info and payout.cancel_asked_at is None else None
    if robot is not None and user.code:
        link = short_links.shorten(address_of(payout.pk))
        text = f"你提现的 {payout.withdrawal.amount} 元已通过审核，请在 24 小时内打开链接确认收款：{link}"
        writing.message_user(
            robot=robot,
            user_code=user.code,
            content=writing.text(text),
            source=Source(SourceType.PAYOUT, str(payout.pk)),
            at=at,
            idempotency_key=f"payout_confirm:{payout.pk}",
        )


def withdrawal_of(user: User | None, withdrawal_id: UUID | None) -> Withdrawal | None:
    """Return the user's withdrawal with its payout. Returns None for another user's withdrawal as for an unknown one."""
    if user is None or withdrawal_id is None:
        return None
    return Withdrawal.objects.select_related("payout").filter(pk=withdrawal_id, user=user).first()


def payout_of(withdrawal: Withdrawal) -> Payout | None:
    """Return the payout of a withdrawal, or None before the approval."""
    payout: Payout | None = getattr(withdrawal, "payout", None)
    return payout


def stage_of(withdrawal: Withdrawal) -> Stage:
    """Return the stage of a withdrawal."""
    by_status = {
        Status.TO_REVIEW: Stage.REVIEWING,
        Status.REJECTED: Stage.REJECTED,
        Status.PAID: Stage.PAID,
        Status.FAILED: Stage.FAILED,
    }
    payout = payout_of(withdrawal)
    if withdrawal.status in by_status:
        return by_status[Status(withdrawal.status)]
    return _stage_of_open(payout) if payout else Stage.PAYING


def _stage_of_open(payout: Payout) -> Stage:
    if payout.needs_operator_at is not None:
        return Stage.CHECKING
    if payout.cancel_asked_at is not None:
        return Stage.CANCELLING
    if not payout.can_be_confirmed:
        return Stage.PAYING
    return Stage.TO_CONFIRM if payout.provider_state == Payout.USER_CAN_CONFIRM[0] else Stage.TRANSFERRING


def reason_of(withdrawal: Withdrawal) -> str:
    """Return a text for the user on why a withdrawal was rejected or failed, or "" for other withdrawals.

    The reason of a rejection is shown as the operator wrote it; WeChat Pay's reasons are translated. Notes of operators
    about a payout are not shown.
    """
    payout = payout_of(withdrawal)
    if withdrawal.status != Status.FAILED or payout is None:
        return withdrawal.reason
    if payout.finished_by:
        return _DECIDED
    if payout.cancel_asked_at is not None:
        return _BLOCKED
    if not payout.open_id:
        return _NO_ACCOUNT
    return _REASONS.get(payout.note or payout.provider_state, _UNKNOWN_REASON)
