"""The confirmation page of an action: its effect, the rows, their number, and a form for the reason."""

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

from config.backoffice.texts import VisibleCharField
from config.errors import Conflict

SHOWN = 20
MAX_ROWS = 5_000  # of one action, which is one transaction


class ReasonForm(forms.Form):
    """The form for the reason of an action, which is stored with its effect."""

    reason = VisibleCharField(
        label=gettext_lazy("原因"), max_length=200, widget=forms.TextInput(attrs={"size": 60})
    )


class EmptyForm(forms.Form):
    """A form without fields, for a plain confirmation."""


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
    """Return (the page, …) until the operator has confirmed; then (None, the form's fields, the keys of the rows).

    The action must change exactly the rows with these keys. The rows and `total` are compared with those shown on the
    page: when they changed meanwhile, the page is shown again.
    """
    keys = sorted(queryset.order_by().values_list("pk", flat=True)[: MAX_ROWS + 1])
    if len(keys) > MAX_ROWS:
        text = _("一次最多处理 %(most)s 条,现在选中了 %(count)s 条,请用筛选缩小范围。")
        model_admin.message_user(request, text % {"most": MAX_ROWS, "count": queryset.count()}, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path()), {}, []
    is_confirmed = "confirmed" in request.POST
    filled = form(request.POST if is_confirmed else None)
    shown = f"{_fingerprint(keys)} {total}"
    has_changed = is_confirmed and request.POST.get("shown", shown) != shown
    if is_confirmed and filled.is_valid() and not has_changed:
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
    **page_options: Any,
) -> HttpResponse | None:
    """Show the confirmation page (`page_options` are those of `confirmation`), then call `do` for each row and report.

    The call is `do(key, by=…, at=…, **fields)`, which returns whether it changed the row. Its refusals (Conflict,
    ValidationError) are shown as messages.
    """
    page, fields, keys = confirmation(model_admin, request, queryset, **page_options)
    if page is not None:
        return page
    done = 0
    for key in keys:
        try:
            done += do(key, by=request.user.get_username(), at=timezone.now(), **fields)
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
    """Return the confirmation page of a button above a list, which concerns no rows; else (None, the form's fields)."""
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
