"""Money on pages of other apps: the income of groups, the balances and withdrawals of people."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Sum
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from config.backoffice.figures import Figures, register_figures
from config.backoffice.timeline import Span, TimelineEvent, register_timeline
from earnings.models import Account, GroupDay, Withdrawal, WithdrawalStep
from groups.models import Group

_WITHDRAWALS = 1_000  # the newest of a user, whose steps a page of the timeline looks at: one a day is three years


def income_of_groups(groups: Sequence[Group]) -> Mapping[Any, Figures]:
    """Return what each of these groups has earned, in one query."""
    days = GroupDay.objects.filter(group__in=groups).order_by().values_list("group")
    totals = dict(days.annotate(total=Sum(F("profit") + F("bonus"))))
    return {group.pk: [(_("累计收益"), _yuan(totals.get(group.pk, 0)))] for group in groups}


def money_of_people(users: Sequence[User]) -> Mapping[Any, Figures]:
    """Return the balances of these users and their withdrawals that wait for review, in two queries."""
    columns = ("user", "available", "withdrawing", "earned")
    accounts = {user: amounts for user, *amounts in Account.objects.filter(user__in=users).values_list(*columns)}
    asked = (
        Withdrawal.objects.filter(user__in=users, status=Withdrawal.Status.TO_REVIEW).order_by().values_list("user")
    )
    waiting = dict(asked.annotate(Count("pk")))
    titles = (_("可提现"), _("提现中"), _("累计收益"))
    return {
        user.pk: [
            *(
                (title, _yuan(amount))
                for title, amount in zip(titles, accounts.get(user.pk, [0, 0, 0]), strict=True)
            ),
            (_("待审核提现"), str(waiting.get(user.pk, 0))),
        ]
        for user in users
    }


def _yuan(amount: Decimal | int) -> str:
    return gettext("%.2f 元") % amount


def _withdrawal_steps(user: User, span: Span) -> Iterable[TimelineEvent]:
    asked = Withdrawal.objects.filter(user=user, asked_at__lte=span.until).order_by("-asked_at").values("pk")
    steps = WithdrawalStep.objects.filter(withdrawal__in=asked[:_WITHDRAWALS]).select_related("withdrawal")
    for step in span.rows(steps, "taken_at"):
        values = {"amount": _yuan(step.withdrawal.amount), "status": step.get_to_status_display()}
        text = gettext("提现 %(amount)s：%(status)s") % values
        by = step.taken_by if step.from_status is not None else ""
        yield TimelineEvent(step.taken_at, f"{text} {step.reason}".strip(), by)


register_figures("groups.group", income_of_groups)
register_figures("accounts.user", money_of_people)
register_timeline("accounts.user", _withdrawal_steps, permission="earnings.view_withdrawal")
