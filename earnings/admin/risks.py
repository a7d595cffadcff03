"""Risk hints about withdrawals, shown to the operators who review them: in the list, before an approval, on the page."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Case, Exists, F, OuterRef, Q, QuerySet, When
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


SHORT: dict[str, Label] = {
    "blocked": _("已封号"),
    "young": _("注册不到 3 天"),
    "unnamed": _("没有实名"),
    "card": _("身份证与别人相同"),
    "receiver": _("收款账号与别人相同"),
    "unpaid": _("最近被拒绝或打款失败"),
    "groupless": _("没有服务中的群"),
    "cancelled": _("最近注销多个群"),
    "siblings": _("同门同一天提现"),
}


def _conditions(at: datetime) -> dict[str, Q]:
    """Return the condition of each risk, by the keys of `SHORT`. They agree with `risks_of`."""
    own, others = OuterRef("user"), Withdrawal.objects.order_by()
    unpaid = others.exclude(pk=OuterRef("pk")).filter(
        user=own,
        asked_at__gte=at - RECENT,
        status__in=[Withdrawal.Status.REJECTED, Withdrawal.Status.FAILED],
    )
    same_card = User.objects.exclude(pk=own).filter(identity_hash=OuterRef("user__identity_hash"), is_active=True)
    account = {"open_id": OuterRef("open_id"), "app_id": OuterRef("app_id")}
    same_account = Q(Exists(others.exclude(user=own).filter(**account))) | Q(
        Exists(User.objects.exclude(pk=own).filter(**account))
    )
    groups = Group.objects.filter(user=own).order_by()
    siblings = others.exclude(user=own).filter(
        user__inviter=OuterRef("user__inviter"), asked_day=OuterRef("asked_day")
    )
    return {
        "blocked": Q(user__blocked_at__isnull=False),
        "young": Q(user__created_at__gt=F("asked_at") - YOUNG),
        "unnamed": Q(amount__gte=LARGE, user__identity_given_at=None),
        "card": Q(user__identity_hash__isnull=False) & Q(Exists(same_card)),
        "receiver": ~Q(open_id="") & same_account,
        "unpaid": Q(Exists(unpaid)),
        "groupless": ~Q(Exists(groups.active())),
        "cancelled": Q(Exists(groups.filter(cancelled_at__gte=at - RECENT)[SIBLINGS - 1 :])),
        "siblings": Q(user__inviter__isnull=False) & Q(Exists(siblings[SIBLINGS - 1 :])),
    }


def has_risk(*, at: datetime) -> Q:
    """Return the condition that a withdrawal waits for review and has at least one risk."""
    return Q(status=Withdrawal.Status.TO_REVIEW) & reduce(or_, _conditions(at).values())


def with_risks(rows: QuerySet[Withdrawal], *, at: datetime) -> QuerySet[Withdrawal]:
    """Annotate the rows with their risks, for `short_hints`, in the query that reads them."""
    waits = Q(status=Withdrawal.Status.TO_REVIEW)
    found = {
        f"has_{key}": Case(When(waits & condition, then=True), default=False, output_field=BooleanField())
        for key, condition in _conditions(at).items()
    }
    return rows.annotate(**found)


def short_hints(withdrawal: Any) -> list[Label]:
    """Return the risks of a row of `with_risks`, each in a few characters."""
    return [label for key, label in SHORT.items() if getattr(withdrawal, f"has_{key}")]


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
