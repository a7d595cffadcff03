"""Completion of a profile in one transaction: WeChat account, inviter, red packet and adoption fee."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts import completion
from accounts.models import User
from accounts.profiles import ProfileAlreadyCompleted, complete_profile
from earnings import ledger
from earnings.red_packets import charge_adoption_fee, pay_red_packet
from robots.scans import scan_of


def onboard(
    reference: str,
    *,
    union_id: str,
    open_id: str,
    app_id: str,
    nickname: str,
    avatar_url: str,
    by_key_only: bool,
    at: datetime,
) -> Decimal:
    """Complete a profile and return the red packet in yuan.

    `reference` is the completion key of the robot's link or, unless `by_key_only`, the id or code of the user.
    Raises NotFound (1404), Blocked (1401), ProfileAlreadyCompleted (2200) or WeChatAccountTaken (1409).
    """
    user = _user_to_complete(reference, union_id, by_key_only=by_key_only, at=at)
    try:
        return _complete(user, union_id, open_id, app_id, nickname, avatar_url, at)
    except ProfileAlreadyCompleted:
        if by_key_only:  # a concurrent request of another WeChat account may have used the key first
            completion.user_of_key(reference, union_id=union_id, at=at)
        raise


def _user_to_complete(reference: str, union_id: str, *, by_key_only: bool, at: datetime) -> User:
    if not by_key_only:
        user = User.objects.by_reference(reference).filter(is_active=True).first()
        if user is not None:
            return user
    return completion.user_of_key(reference, union_id=union_id, at=at)


def _complete(
    user: User, union_id: str, open_id: str, app_id: str, nickname: str, avatar_url: str, at: datetime
) -> Decimal:
    scan = scan_of(union_id)
    with transaction.atomic():
        # The account is opened before the user is locked: a settlement that opens the same account refers to the user,
        # so the other order could deadlock.
        ledger.account_of(user)
        completed = complete_profile(
            user=user,
            union_id=union_id,
            open_id=open_id,
            app_id=app_id,
            nickname=nickname,
            avatar_url=avatar_url,
            inviter=scan.inviter if scan else None,
            channel=scan.channel if scan else "",
            at=at,
        )
        amount = pay_red_packet(completed, at=at)
        charge_adoption_fee(completed, at=at)
    return amount
