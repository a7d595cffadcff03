"""A page between an action and its effect: what it will do, to what, and (if asked for) why."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

SHOWN = 20


class ReasonForm(forms.Form):
    """Why; kept beside what was done."""

    reason = forms.CharField(label="原因", max_length=200, widget=forms.TextInput(attrs={"size": 60}))


class NothingToSay(forms.Form):
    """A plain yes or no."""


def ask(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Any],
    *,
    action: str,
    title: str,
    question: str,
    lines: Sequence[str] = (),
    form: type[forms.Form] = NothingToSay,
) -> tuple[TemplateResponse | None, dict[str, Any]]:
    """(the page, {}) until the operator has confirmed it; then (None, what the form says)."""
    answered = "confirmed" in request.POST
    filled = form(request.POST if answered else None)
    if answered and filled.is_valid():
        return None, filled.cleaned_data
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "question": question,
        "lines": [*lines, *(str(row) for row in queryset[:SHOWN])],
        "more": max(0, queryset.count() - SHOWN),
        "form": filled,
        "action": action,
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "select_across": request.POST.get("select_across", "0"),
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "opts": model_admin.model._meta,
    }
    return TemplateResponse(request, "admin/confirm_action.html", context), {}
