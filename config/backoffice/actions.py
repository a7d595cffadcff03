"""Actions of lists and buttons above them: each has one permission, and most have a confirmation page.

`confirmed` wraps an action that changes rows: its page shows the effect, the rows, their number and a form for the
reason, and the action receives exactly the rows that were confirmed.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.backoffice.changelist import capped_count, capped_text
from config.backoffice.texts import Label, VisibleCharField
from config.errors import Conflict

SHOWN = 20
CONFIRM = "confirm"  # the query name of the action whose confirmation page an address opens
MAX_KEYS_IN_ADDRESS = 50  # gunicorn accepts request lines of 4,094 bytes
MAX_ROWS = 5_000  # of one action, which is one transaction


class ReasonForm(forms.Form):
    """The form for the reason of an action, which is stored with its effect."""

    reason = VisibleCharField(
        label=gettext_lazy("原因"), max_length=200, widget=forms.TextInput(attrs={"size": 60})
    )


class EmptyForm(forms.Form):
    """A form without fields, for a plain confirmation."""


@dataclass(frozen=True)
class Confirmed:
    """An action that an operator has confirmed: the rows, the fields of the form, the operator and the moment."""

    request: HttpRequest
    rows: QuerySet[Any]  # none for a button above a list
    keys: Sequence[Any]
    fields: dict[str, Any]
    by: str
    at: datetime = field(default_factory=timezone.now)

    def call_each(self, do: Callable[..., bool]) -> int:
        """Call `do(key, by=…, at=…, **fields)` for each row. Returns how many calls changed their row.

        Refusals (Conflict, ValidationError) are shown as messages.
        """
        done = 0
        for key in self.keys:
            try:
                done += do(key, by=self.by, at=self.at, **self.fields)
            except Conflict as refusal:
                messages.error(self.request, _(refusal.description))
            except ValidationError as error:
                messages.error(self.request, "；".join(error.messages))
        return done


def action(description: Label, *, permission: str) -> Callable[[Any], Any]:
    """Mark a method as an action of chosen rows, for operators who have the permission."""

    def mark(method: Any) -> Any:
        method.short_description, method.permission = description, permission
        return method

    return mark


def button(
    description: Label, *, permission: str, takes_file: bool = False, opens_page: bool = False
) -> Callable[[Any], Any]:
    """Mark a method as a button above the list.

    `takes_file`: its page accepts a file of up to MAX_UPLOAD_BYTES. `opens_page`: a GET shows a page and changes nothing.
    """

    def mark(method: Any) -> Any:
        method.short_description, method.permission, method.takes_file = description, permission, takes_file
        method.opens_page = opens_page
        return method

    return mark


def confirmed(
    description: Label,
    *,
    permission: str,
    question: Label,
    did: Label = "",
    why_not: Label = "",
    title: Label = "",
    form: type[forms.Form] = EmptyForm,
    lines: Callable[[QuerySet[Any]], Sequence[str]] | None = None,
    total: Callable[[QuerySet[Any]], str] | None = None,
) -> Callable[[Callable[[Any, Confirmed], int | None]], Any]:
    """Make an action of chosen rows from a method that takes what the operator has confirmed.

    The method returns how many of the confirmed rows it changed, which is reported with `did` and `why_not`, or None
    when it has reported by itself. `lines` and `total` describe the chosen rows on the page.
    """

    def decorate(method: Callable[[Any, Confirmed], int | None]) -> Any:
        @wraps(method)
        def ask_and_do(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
            keys = sorted(queryset.order_by().values_list("pk", flat=True)[: MAX_ROWS + 1])
            if len(keys) > MAX_ROWS:
                return _refuse_many(model_admin, request, queryset)
            if (page := _address_of_page(request, method.__name__)) is not None:
                return HttpResponseRedirect(page)
            note = total(queryset) if total else ""
            rows = queryset.filter(pk__in=keys)
            shown = f"{_fingerprint(keys)} {note}"
            has_changed = "confirmed" in request.POST and request.POST.get("shown", shown) != shown
            filled = _filled(form, request)
            if filled.is_valid() and not has_changed:
                chosen = Confirmed(request, rows, keys, filled.cleaned_data, request.user.get_username())
                done = method(model_admin, chosen)
                if done is not None:
                    model_admin.report(request, done=done, chosen=len(keys), did=did, why_not=why_not)
                return None
            context = {
                "count": len(keys),
                "total": note,
                "shown": shown,
                "has_changed": has_changed,
                "lines": (lines and lines(queryset)) or [str(row) for row in rows[:SHOWN]],
                "more": max(0, len(keys) - SHOWN),
                "action": method.__name__,
                "chosen": _given(request).getlist(ACTION_CHECKBOX_NAME),
                "select_across": _given(request).get("select_across", "0"),
                "checkbox_name": ACTION_CHECKBOX_NAME,
            }
            return _page(model_admin, request, title or description, question, filled, context)

        marked = action(description, permission=permission)(ask_and_do)
        marked.opens_page = True
        return marked

    return decorate


def confirmed_button(
    description: Label,
    *,
    permission: str,
    question: Label,
    did: Label,
    why_not: Label,
    form: type[forms.Form] = EmptyForm,
) -> Callable[[Callable[[Any, Confirmed], bool]], Any]:
    """Make a button above a list from a method that takes what was confirmed and returns whether it changed a thing."""

    def decorate(method: Callable[[Any, Confirmed], bool]) -> Any:
        @wraps(method)
        def ask_and_do(model_admin: Any, request: HttpRequest) -> HttpResponse | None:
            filled = _filled(form, request)
            if not filled.is_valid():
                return _page(model_admin, request, description, question, filled, {})
            rows = model_admin.get_queryset(request).none()
            chosen = Confirmed(request, rows, (), filled.cleaned_data, request.user.get_username())
            done = method(model_admin, chosen)
            model_admin.message_user(
                request, f"{did if done else why_not}。", messages.SUCCESS if done else messages.WARNING
            )
            return None

        return button(description, permission=permission, opens_page=True)(ask_and_do)

    return decorate


def _given(request: HttpRequest) -> QueryDict:
    """Return the fields of the request: of the page's address, or of what was submitted."""
    return request.POST if request.method == "POST" else request.GET


def _address_of_page(request: HttpRequest, name: str) -> str | None:
    """Return the address of the confirmation page, so that the browser's "back" works.

    Returns None for the page itself, for its form, and for so many rows that their keys do not fit into an address.
    """
    if request.method != "POST" or "confirmed" in request.POST:
        return None
    is_across, keys = request.POST.get("select_across") == "1", request.POST.getlist(ACTION_CHECKBOX_NAME)
    if not is_across and len(keys) > MAX_KEYS_IN_ADDRESS:
        return None
    query = request.GET.copy()
    query[CONFIRM], query["select_across"] = name, "1" if is_across else "0"
    query.setlist(ACTION_CHECKBOX_NAME, [] if is_across else keys)
    if "next" in request.POST:
        query["next"] = request.POST["next"]
    return f"{request.path}?{query.urlencode()}"


def asked_confirmation(request: HttpRequest) -> tuple[str, QueryDict]:
    """Return the action whose confirmation page the address opens, and the address's filters of the list."""
    filters = request.GET.copy()
    name = filters.pop(CONFIRM, [""])[-1]
    for each in ("select_across", ACTION_CHECKBOX_NAME, "next"):
        filters.pop(each, None)
    return str(name), filters


def safe_next(request: HttpRequest) -> str:
    """Return the page of the admin to which the operator returns after the action, or "" for the list."""
    address = _given(request).get("next", "")
    is_own = address.startswith(reverse("admin:index")) and url_has_allowed_host_and_scheme(address, None)
    return address if is_own else ""


def _filled(form: type[forms.Form], request: HttpRequest) -> forms.Form:
    return form(request.POST if "confirmed" in request.POST else None)


def _refuse_many(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
    text = _("一次最多处理 %(most)s 条，现在选中了 %(count)s 条，请用筛选缩小范围。")
    chosen = capped_text(capped_count(queryset))
    model_admin.message_user(request, text % {"most": MAX_ROWS, "count": chosen}, messages.ERROR)
    return HttpResponseRedirect(_list_with_filters(model_admin, request))


def _fingerprint(keys: Iterable[Any]) -> str:
    return hashlib.sha256(",".join(map(str, keys)).encode()).hexdigest()


def _page(
    model_admin: Any, request: HttpRequest, title: Label, question: Label, form: forms.Form, context: dict[str, Any]
) -> HttpResponse:
    shared = {**model_admin.admin_site.each_context(request), "opts": model_admin.opts}
    page = {"title": title, "question": question, "form": form, "next": safe_next(request)}
    page["list_address"] = _list_with_filters(model_admin, request)
    page["form_address"] = page["list_address"] if context else ""  # a button's page is its own form
    return TemplateResponse(request, "admin/confirm_action.html", {**shared, **page, **context})


def _list_with_filters(model_admin: Any, request: HttpRequest) -> str:
    return f"{list_address(model_admin)}?{asked_confirmation(request)[1].urlencode()}".rstrip("?")


def list_address(model_admin: Any) -> str:
    return reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist")
