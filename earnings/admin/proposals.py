"""Forms that change what is paid: nothing is saved before the operator has seen what a night costs with it."""

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
from django.utils.translation import gettext as _

from config.backoffice.base import ListAdmin
from config.errors import Conflict
from config.platform.dates import day_of
from earnings import rule_changes
from earnings.models import RuleChange
from earnings.rule_changes import Effect

_OF_THE_PAGE = {"csrfmiddlewaretoken", "confirmed", "shown", "gaps_accepted"}


class DatedForm(forms.ModelForm):
    """What is or was in force stays: a row begins on a future day."""

    def clean_valid_from(self) -> Any:
        day = self.cleaned_data["valid_from"]
        if day <= day_of(timezone.now()):
            raise ValidationError(_("生效日期要在今天之后，已经生效的不能改动。"))
        return day


class ProposalAdmin(ListAdmin):
    """Saving and deleting lead to a page with what a night pays before and after, and only from there on."""

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
        may = self.has_change_permission(request, row) if object_id else self.has_add_permission(request)
        form = self.get_form(request, row, change=row is not None)(request.POST, instance=row) if may else None
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
        raise PermissionDenied  # rows are written by rule_changes only

    def _propose(self, request: HttpRequest, change: RuleChange) -> HttpResponse:
        """Ask, and once it is confirmed as shown, submit the change."""
        back = HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))
        if change.before == change.values:
            self.message_user(request, _("没有改动。"), messages.WARNING)
            return back
        now = timezone.now()
        try:
            effect = rule_changes.measure(change, at=now)
            shown = _fingerprint(change, effect)
            answered = "confirmed" in request.POST
            has_changed = answered and request.POST.get("shown") != shown
            is_clear = not effect.gaps or "gaps_accepted" in request.POST
            if not answered or has_changed or not is_clear:
                return self._ask(request, change, effect, shown=shown, has_changed=has_changed)
            rule_changes.submit(change, by=request.user.get_username(), at=now)
        except Conflict as refusal:
            self.message_user(request, refusal.description, messages.ERROR)
            return back
        if change.needs_second:
            text = _("每晚影响 %s 元，已提交，待另一名运营人员在“收益变更”里确认后生效。") % f"{change.effect:+}"
            self.message_user(request, text, messages.WARNING)
        else:
            self.message_user(request, _("已保存，每晚影响 %s 元。") % f"{change.effect:+}", messages.SUCCESS)
        return back

    def _ask(
        self, request: HttpRequest, change: RuleChange, effect: Effect, *, shown: str, has_changed: bool
    ) -> HttpResponse:
        kept = [
            (name, value) for name, values in request.POST.lists() if name not in _OF_THE_PAGE for value in values
        ]
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        context = {
            **admin.site.each_context(request),
            "title": _("确认删除") if change.values is None else _("确认变更"),
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
    """Return (label, before, after) of each field that changes; of a new row beside the one that it follows."""
    before, after = change.before or instead_of or {}, change.values or {}
    model = rule_changes.MODELS[change.target]
    return [
        (str(one.verbose_name), before.get(one.name) or "-", after.get(one.name) or "-")
        for one in model._meta.concrete_fields
        if one.name in {*before, *after} and before.get(one.name) != after.get(one.name)
    ]


def _fingerprint(change: RuleChange, effect: Effect) -> str:
    """Return what the page showed, so that a confirmation of something else is asked anew."""
    shown = [change.target, change.row_id, change.before, change.values, str(effect.day), str(effect.parts)]
    return hashlib.sha256(json.dumps([*shown, list(map(str, effect.gaps))]).encode()).hexdigest()[:16]
