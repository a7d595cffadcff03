"""Admin forms of plans, prices and rules: a change is saved only after a preview of what one night then pays."""

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from config.backoffice.base import ListAdmin
from config.errors import Conflict
from config.platform.dates import day_of
from earnings import rule_changes
from earnings.models import RuleChange
from earnings.rule_changes import Effect

_CONFIRMATION_FIELDS = {"csrfmiddlewaretoken", "confirmed", "shown", "gaps_accepted"}


class DatedForm(forms.ModelForm):
    """A form of a row with a first day, which must be in the future: rows in force never change."""

    def clean_valid_from(self) -> Any:
        day = self.cleaned_data["valid_from"]
        if day <= day_of(timezone.now()):
            raise ValidationError(gettext("生效日期要在今天之后，已经生效的不能改动。"))
        return day


class ProposalAdmin(ListAdmin):
    """Admin whose saves and deletions take effect only after a confirmation page with the effect per night."""

    target: RuleChange.Target

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, extra_context)
        row = self.get_object(request, unquote(object_id)) if object_id else None
        before = rule_changes.values_of(row) if row else None
        permitted = self.has_change_permission(request, row) if object_id else self.has_add_permission(request)
        form = (
            self.get_form(request, row, change=row is not None)(request.POST, instance=row) if permitted else None
        )
        if (object_id and row is None) or form is None or not form.is_valid():
            return super().changeform_view(request, object_id, form_url, extra_context)
        values = rule_changes.values_of(form.instance)
        key = row.pk if row else None
        return self._propose(request, RuleChange(target=self.target, row_id=key, before=before, values=values))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None or not self.has_delete_permission(request, row):
            raise PermissionDenied
        before = rule_changes.values_of(row)
        return self._propose(request, RuleChange(target=self.target, row_id=row.pk, before=before))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        raise PermissionDenied  # only rule_changes writes rows

    def _propose(self, request: HttpRequest, change: RuleChange) -> HttpResponse:
        """Show the confirmation page, and submit the change once it is confirmed as shown."""
        back = HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))
        if change.before == change.values:
            self.message_user(request, gettext("没有改动。"), messages.WARNING)
            return back
        now = timezone.now()
        try:
            effect = rule_changes.measure(change, at=now)
            shown = _fingerprint(change, effect)
            is_confirmed = "confirmed" in request.POST
            has_changed = is_confirmed and request.POST.get("shown") != shown
            accepts_gaps = not effect.gaps or "gaps_accepted" in request.POST
            if not is_confirmed or has_changed or not accepts_gaps:
                return self._confirmation_page(request, change, effect, shown=shown, has_changed=has_changed)
            rule_changes.submit(change, by=request.user.get_username(), at=now)
        except Conflict as refusal:
            self.message_user(request, refusal.description, messages.ERROR)
            return back
        if change.needs_second:
            text = (
                gettext("每晚影响 %s 元，已提交，待另一名运营人员在“收益变更”里确认后生效。") % f"{change.effect:+}"
            )
            self.message_user(request, text, messages.WARNING)
        else:
            self.message_user(request, gettext("已保存，每晚影响 %s 元。") % f"{change.effect:+}", messages.SUCCESS)
        return back

    def _confirmation_page(
        self, request: HttpRequest, change: RuleChange, effect: Effect, *, shown: str, has_changed: bool
    ) -> HttpResponse:
        kept = [
            (name, value)
            for name, values in request.POST.lists()
            if name not in _CONFIRMATION_FIELDS
            for value in values
        ]
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        context = {
            **admin.site.each_context(request),
            "title": gettext("确认删除") if change.values is None else gettext("确认变更"),
            "subtitle": _subject(change),
            "opts": self.opts,
            "rows": differences(change, instead_of=rule_changes.values_in_place(change, effect.day)),
            "effect": effect,
            "shown": shown,
            "has_changed": has_changed,
            "kept": kept,
            "back": reverse(page, args=[change.row_id]) if change.row_id else f"{request.path}?{urlencode(kept)}",
        }
        return TemplateResponse(request, "admin/confirm_rule_change.html", context)


def differences(
    change: RuleChange, *, instead_of: dict[str, str | None] | None = None
) -> list[tuple[str, str, str]]:
    """Return (label, before, after) of each field that changes. A new row is compared with `instead_of`."""
    before, after = change.before or instead_of or {}, change.values or {}
    model = rule_changes.MODELS[change.target]
    return [
        (str(column.verbose_name), before.get(column.name) or "-", after.get(column.name) or "-")
        for column in model._meta.concrete_fields
        if column.name in {*before, *after} and before.get(column.name) != after.get(column.name)
    ]


def _subject(change: RuleChange) -> str:
    """Return what changes: the plan of a star, the price, or the rules."""
    star = (change.values or change.before or {}).get("star")
    return " ".join([change.get_target_display(), f"{star}★" if star else ""]).strip()


def _fingerprint(change: RuleChange, effect: Effect) -> str:
    """Return a hash of what the page shows. A confirmation with another hash leads to the page again."""
    shown = [change.target, change.row_id, change.before, change.values, str(effect.day), str(effect.parts)]
    return hashlib.sha256(json.dumps([*shown, list(map(str, effect.gaps))]).encode()).hexdigest()[:16]
