"""Figures about money on pages of other apps: the income of groups."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F, Sum
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice.figures import Figures, register_figures
from earnings.models import GroupDay
from groups.models import Group


def income_of_groups(groups: Sequence[Group]) -> Mapping[Any, Figures]:
    """Return what each of these groups has earned, in one query."""
    days = GroupDay.objects.filter(group__in=groups).order_by().values_list("group")
    totals = dict(days.annotate(total=Sum(F("profit") + F("bonus"))))
    return {group.pk: [(_("累计收益"), gettext("%.2f 元") % totals.get(group.pk, 0))] for group in groups}


register_figures("groups.group", income_of_groups)
