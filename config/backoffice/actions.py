"""A page between an action and its effect: what it will do, to what and how many, and (if asked for) why."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.backoffice.texts import SeenCharField
from config.errors import Conflict

SHOWN = 20
MOST_AT_ONCE = 5_000  # rows of one action: it is one transaction


class ReasonForm(forms.Form):
    """Why; kept beside what was done."""

    reason = SeenCharField(label=gettext_lazy("原因"), max_length=200, widget=forms.TextInput(attrs={"size": 60}))


class EmptyForm(forms.Form):
    """A plain yes or no."""


def confirmation(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Any],
    *,
    action: str,
    title: str,
    question: str,
    total: str = "",
    lines: Sequence[str] = (),
    form: type[forms.Form] = EmptyForm,
) -> tuple[HttpResponse | None, dict[str, Any], list[Any]]:
    """(the page, …) until the operator has confirmed it; then (None, what the form says, the keys of the rows).

    The action does what it does to the rows with these keys, and no others. Which rows they were, and `total`, is
    compared with what was shown: if others came in or left meanwhile, it is asked anew.
    """
    keys = sorted(queryset.order_by().values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
    if len(keys) > MOST_AT_ONCE:
        text = _("一次最多处理 %(most)s 条,现在选中了 %(count)s 条,请用筛选缩小范围。")
        model_admin.message_user(request, text % {"most": MOST_AT_ONCE, "count": queryset.count()}, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path()), {}, []
    answered = "confirmed" in request.POST
    filled = form(request.POST if answered else None)
    shown = f"{_fingerprint(keys)} {total}"
    has_changed = answered and request.POST.get("shown", shown) != shown
    if answered and filled.is_valid() and not has_changed:
        return None, filled.cleaned_data, keys
    count = len(keys)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _(title),
        "question": _(question),
        "count": count,
        "total": total,
        "shown": shown,
        "has_changed": has_changed,
        "lines": lines or [str(row) for row in queryset.filter(pk__in=keys)[:SHOWN]],
        "more": max(0, count - SHOWN),
        "form": filled,
        "action": action,
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "select_across": request.POST.get("select_across", "0"),
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "admin/confirm_action.html", context), {}, []


def confirm_each(
    model_admin: Any,
    request: HttpRequest,
    queryset: QuerySet[Any],
    *,
    do: Callable[..., bool],
    did: str,
    why_not: str,
    **asked: Any,
) -> HttpResponse | None:
    """Ask (`asked` is what `ask` takes), then call `do(key, by=…, at=…, **said)` for each row and report how many it did.

    `do` returns whether it did something. What it refuses with, a Conflict or a ValidationError, is shown.
    """
    page, said, keys = confirmation(model_admin, request, queryset, **asked)
    if page is not None:
        return page
    done = 0
    for key in keys:
        try:
            done += do(key, by=request.user.get_username(), at=timezone.now(), **said)
        except Conflict as refusal:
            model_admin.message_user(request, _(refusal.description), messages.ERROR)
        except ValidationError as error:
            model_admin.message_user(request, "；".join(error.messages), messages.ERROR)
    model_admin.report(request, done=done, chosen=len(keys), did=did, why_not=why_not)
    return None


def _fingerprint(keys: Sequence[Any]) -> str:
    return hashlib.sha256(",".join(map(str, keys)).encode()).hexdigest()


def confirmation_of_import(
    model_admin: admin.ModelAdmin, request: HttpRequest, *, title: str, question: str, form: type[forms.Form]
) -> tuple[HttpResponse | None, dict[str, Any]]:
    """The same for a button above a list, which is about no rows."""
    filled = form(request.POST if "confirmed" in request.POST else None)
    if filled.is_valid():
        return None, filled.cleaned_data
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _(title),
        "question": _(question),
        "form": filled,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "admin/confirm_action.html", context), {}
