"""Admin page of API keys: an administrator creates a key; a second one confirms a key that reviews withdrawals."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import key_confirmation
from config.api.keys import issue_key
from config.backoffice import dashboard
from config.backoffice.actions import SHOWN, Confirmed, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin
from config.backoffice.filters import states
from config.models import WAITING_FOR_CONFIRMATION, ApiKey, Scope, revoke
from config.platform.dates import shanghai_time
from config.platform.networks import network_from


def _network(line: str) -> str:
    try:
        return network_from(line)
    except ValueError as error:
        raise forms.ValidationError(gettext("既不是地址也不是网段：%s") % line[:80]) from error


class NetworksField(forms.CharField):
    """A text area with one address or network per line."""

    widget = forms.Textarea(attrs={"rows": 4})

    def to_python(self, value: Any) -> Any:
        return [_network(line) for line in str(value or "").split()]


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("权限范围"),
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    networks = NetworksField(
        label=_("允许的地址"),
        required=False,
        help_text=_("只接受来自这些地址或网段的调用，每行一个，如 203.0.113.7 或 10.1.0.0/16；不填则不限制"),
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expires_at", "networks")

    def clean_expires_at(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["expires_at"]
        if moment is not None and moment <= timezone.now():
            raise forms.ValidationError(gettext("失效时间要在现在之后。"))
        return moment


NEEDS_CONFIRMATION = _(
    "带“审核提现”权限的密钥要另一名管理员在“接口密钥”里确认后才能审核提现。只有一名管理员时，请由运维在服务器上用命令 "
    "manage.py create_api_key 创建，再把这个密钥吊销。"
)


_REVOKED = {
    "0": (_("有效"), Q(revoked_at__isnull=True)),
    "1": (_("已吊销"), Q(revoked_at__isnull=False)),
}


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """API keys. The page shows a key once, when it is created; a key is never changed, only revoked."""

    form = ApiKeyForm
    list_display = (
        "name",
        "prefix",
        "scopes",
        "created_at",
        "created_by",
        "confirmation",
        "expires_at",
        "networks",
        "last_used_at",
        "last_used_from",
        "revoked_at",
        "revoked_by",
    )
    list_select_related = ("revoked_by",)
    list_filter = (
        states("revoked", _("是否吊销"), _REVOKED),
        states("state", _("状态"), {"waiting": (_("待另一名管理员确认"), WAITING_FOR_CONFIRMATION)}),
    )
    search_fields = ("name__startswith", "prefix__exact")
    actions = ("confirm", "revoke", *EXPORTS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("config.add_apikey"))

    def is_action_available(self, action: str, obj: Any) -> bool:
        is_due = obj is not None and (obj.needs_confirmation if action == "confirm" else obj.revoked_at is None)
        return super().is_action_available(action, obj) and is_due

    @admin.display(description=_("确认"))
    def confirmation(self, key: ApiKey) -> str:
        if key.confirmed_at is None:
            return gettext("待另一名管理员确认") if key.needs_confirmation else "-"
        return f"{key.confirmed_by} {shanghai_time(key.confirmed_at)}".strip()

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        raw = issue_key(obj, form.cleaned_data["scopes"], by=request.user.get_username())
        self.message_user(request, gettext("密钥（只显示这一次，请立即保存）：%s") % raw, messages.WARNING)
        if obj.needs_confirmation:
            self.message_user(request, NEEDS_CONFIRMATION, messages.WARNING)

    @confirmed(
        _("确认密钥"),
        permission="config.confirm_apikey",
        question=_(
            "这些密钥将立即可以审核提现。请先向创建人以外的人核实；自己创建的要由另一名管理员确认。不同意的请吊销。"
        ),
        lines=lambda rows: [_line(key) for key in rows[:SHOWN]],
        did=_("已确认"),
        why_not=_("不需要确认、已经处理或不能由你确认"),
    )
    def confirm(self, chosen: Confirmed) -> int:
        return chosen.call_each(key_confirmation.confirm_key)

    @confirmed(
        _("吊销"),
        permission="config.revoke_apikey",
        title=_("吊销密钥"),
        question=_("使用这些密钥的系统将立即无法调用，不可恢复。"),
        did=_("已吊销"),
        why_not=_("之前已经吊销"),
    )
    def revoke(self, chosen: Confirmed) -> int:
        return sum(revoke(key, by=chosen.request.user, at=chosen.at) for key in chosen.rows)


def _line(key: ApiKey) -> str:
    """Return one line with the creator, the name, the scopes, the networks and the last day of a key."""
    scopes = "、".join(str(Scope(scope).label) for scope in key.scopes)
    parts = [f"{key.created_by or '-'}：{key}", scopes, "、".join(key.networks)]
    if key.expires_at:
        parts.append(f"→ {shanghai_time(key.expires_at)}")
    return "，".join(part for part in parts if part)


dashboard.register_task(
    _("待确认的接口密钥"),
    page="config_apikey",
    query="state=waiting",
    permission="config.confirm_apikey",
    count=dashboard.counted(ApiKey.objects.waiting),
    is_urgent=True,
)
