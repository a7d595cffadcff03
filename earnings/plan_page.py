"""The operators' page on which a star's plan is tried out before it is saved."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from earnings import settlement
from groups.models import StarPlan


class PlanForm(forms.ModelForm):
    """A plan that starts on the day of another one of that star takes its place."""

    def clean(self) -> dict[str, Any] | None:
        """The row that is in the way is the one that is changed."""
        said = super().clean()
        if {"star", "valid_from"} <= set(self.cleaned_data):
            where = {name: self.cleaned_data[name] for name in ("star", "valid_from")}
            self.instance = StarPlan.objects.filter(**where).first() or self.instance
        return said


def try_plan(request: HttpRequest) -> HttpResponse:
    """What the first day under the plan pays, as plans stand and with it; `save` keeps it."""
    if not request.user.has_perms(["groups.add_starplan", "groups.change_starplan"]):
        raise PermissionDenied
    form = _form()(request.POST or None)
    context: dict[str, Any] = {**admin.site.each_context(request), "title": _("试算收益方案"), "form": form}
    if request.method == "POST" and form.is_valid():
        if "save" in request.POST:
            form.save()
            messages.success(request, _("方案已保存,从生效日期起按它结算。"))
            return redirect("admin:groups_starplan_changelist")
        before, after = settlement.preview_plan(form.instance, at=timezone.now())
        context |= {"before": before, "after": after, "rows": _rows(before, after)}
    return TemplateResponse(request, "admin/try_plan.html", context)


def _form() -> Any:
    """Made when it is asked for: its labels are those of the model, in the operator's language."""
    fields = ("star", "income_days", "daily_profit", "activity_bonus", "valid_from", "valid_to")
    return forms.modelform_factory(StarPlan, form=PlanForm, fields=fields)


def _rows(before: settlement.Result, after: settlement.Result) -> list[tuple[str, int, Any, Any]]:
    """(star, groups, yuan a day as plans stand, yuan a day with the plan)."""
    was = {star: (count, total) for star, count, total in before.per_star}
    will = {star: (count, total) for star, count, total in after.per_star}
    found = sorted({*was, *will}, key=lambda star: star or 0)
    return [
        (
            _("%s 星") % star if star else _("老群"),
            will.get(star, was.get(star, (0, 0)))[0],
            was.get(star, (0, 0))[1],
            will.get(star, (0, 0))[1],
        )
        for star in found
    ]
