"""Completing a profile: the WeChat account, the inviter, the red packet and the adoption fee, all or nothing."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from accounts.profiles import complete_profile
from earnings import ledger
from earnings.red_packets import charge_adoption_fee, pay_red_packet
from robots.scans import scan_of


def onboard(
    *, user: User, union_id: str, open_id: str, app_id: str, nickname: str, avatar_url: str, at: datetime
) -> Decimal:
    """Complete a user's profile; answers the red packet in yuan. 2200 the second time, 1409 a taken account.

    1401 for somebody who is blocked.
    """
    scan = scan_of(union_id)
    with transaction.atomic():
        # First, while no lock on the user is held: a settlement that opens the same account refers to the user.
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
