"""Erasure of a user in earnings: refused while money is in transit; the receiving WeChat account is erased."""

from accounts.erasure import CannotErase
from accounts.models import User
from earnings import ledger, withdrawals
from earnings.models import Payout, Withdrawal


class MoneyUnderWay(CannotErase):
    message = "还有提现或打款没有结束，请先审核提现、等打款有结果、核对与微信不符的打款，再注销账号"


class BalanceLeft(CannotErase):
    message = "账户还有余额，请让用户先提现，或由用户确认放弃余额，再注销账号"


def require_nothing_under_way(user: User, *, gives_up_balance: bool) -> None:
    """Lock the user and the account. Raises MoneyUnderWay, and BalanceLeft unless the user gives up the balance."""
    withdrawals.lock_user(user)
    account = ledger.locked_account_of(user)
    requested = Withdrawal.objects.filter(user=user)
    payouts = Payout.objects.filter(withdrawal__user=user)
    if (
        account.withdrawing > 0
        or requested.filter(status__in=withdrawals.UNPAID).exists()
        or payouts.filter(finished_at=None).exists()
        or payouts.contradicted().exists()
    ):
        raise MoneyUnderWay
    if account.available > 0 and not gives_up_balance:
        raise BalanceLeft


def erase_receivers_of(user: User) -> None:
    """Erase the WeChat account from ended payouts and withdrawals. Their number at WeChat Pay stays."""
    Payout.objects.filter(withdrawal__user=user).update(open_id="", app_id="", package_info="")
    Withdrawal.objects.filter(user=user).update(open_id="", app_id="")
