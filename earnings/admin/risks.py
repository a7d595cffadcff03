"""Risk hints about a withdrawal, shown to the operator who reviews it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.identity import holders_of
from accounts.models import User
from config.backoffice.texts import Label
from earnings.models import Withdrawal
from groups.models import Group

YOUNG = timedelta(days=3)
LARGE = 100  # yuan: from here on a missing identity card is a hint
SIBLINGS = 3  # apprentices of one inviter who request a withdrawal on the same day
RECENT = timedelta(days=30)
Hint = tuple[Label, dict[str, Any]]


def risks_of(withdrawal: Withdrawal, *, at: datetime) -> list[Hint]:
    """Return (sentence, its values) for each risk found."""
    return [
        hint
        for check in (_person, _card, _receiver, _history, _groups, _siblings)
        for hint in check(withdrawal, at)
    ]


def _person(withdrawal: Withdrawal, at: datetime) -> Iterator[Hint]:
    user = withdrawal.user
    if user.is_blocked:
        yield _("用户已封号：%(reason)s"), {"reason": user.blocked_reason}
    if withdrawal.asked_at - user.created_at < YOUNG:
        yield _("注册不到 %(days)s 天就申请提现"), {"days": YOUNG.days}
    if withdrawal.amount >= LARGE and user.identity_given_at is None:
        yield _("金额较大，但没有实名"), {}


def _card(withdrawal: Withdrawal, at: datetime) -> Iterator[Hint]:
    card = withdrawal.user.identity_hash
    count = holders_of(card).exclude(pk=withdrawal.user_id).count() if card else 0
    if count:
        yield _("另有 %(count)s 个用户使用同一张身份证"), {"count": count}


def _receiver(withdrawal: Withdrawal, at: datetime) -> Iterator[Hint]:
    count = len({*paid_to_account_of(withdrawal)} - {withdrawal.user_id}) if withdrawal.open_id else 0
    if count:
        yield _("另有 %(count)s 个用户使用同一个微信账号收款"), {"count": count}


def paid_to_account_of(withdrawal: Withdrawal) -> QuerySet[Any, UUID]:
    """Return the ids of the users who have the receiving WeChat account, or have requested a withdrawal to it."""
    account = {"open_id": withdrawal.open_id, "app_id": withdrawal.app_id}
    requesters = Withdrawal.objects.filter(**account).exclude(open_id="").order_by().values_list("user", flat=True)
    owners = User.objects.filter(**account).exclude(open_id="").order_by().values_list("pk", flat=True)
    return requesters.union(owners)


def _history(withdrawal: Withdrawal, at: datetime) -> Iterator[Hint]:
    recent = Withdrawal.objects.filter(user=withdrawal.user, asked_at__gte=at - RECENT).exclude(pk=withdrawal.pk)
    unpaid = recent.filter(Q(status=Withdrawal.Status.REJECTED) | Q(status=Withdrawal.Status.FAILED)).count()
    if unpaid:
        yield _("最近 30 天有 %(count)s 次提现被拒绝或打款失败"), {"count": unpaid}


def _groups(withdrawal: Withdrawal, at: datetime) -> Iterator[Hint]:
    groups = Group.objects.filter(user=withdrawal.user)
    if not groups.active().exists():
        yield _("没有服务中的群"), {}
    cancelled = groups.filter(cancelled_at__gte=at - RECENT).count()
    if cancelled >= SIBLINGS:
        yield _("最近 30 天注销了 %(count)s 个群"), {"count": cancelled}


def _siblings(withdrawal: Withdrawal, at: datetime) -> Iterator[Hint]:
    inviter = withdrawal.user.inviter_id
    if inviter is None:
        return
    others = User.objects.filter(inviter_id=inviter, withdrawals__asked_day=withdrawal.asked_day)
    count = others.exclude(pk=withdrawal.user_id).count()
    if count >= SIBLINGS:
        yield _("同一个师傅的另外 %(count)s 个徒弟同一天申请提现"), {"count": count}
