"""Admin pages of erasure requests: one operator requests the erasure of a user, another one confirms it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from accounts import erasure
from accounts.models import ErasureRequest
from config.backoffice import dashboard
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin
from config.backoffice.filters import days


class ErasureForm(ReasonForm):
    """Form for the reason, without personal data, and for the user's consent to lose the balance."""

    gives_up_balance = forms.BooleanField(label=_("用户已确认放弃余额"), required=False)


@admin.register(ErasureRequest)
class ErasureRequestAdmin(ReadOnlyAdmin):
    list_display = (
        "asked_at",
        "asked_by",
        "user",
        "reason",
        "gives_up_balance",
        "status",
        "decided_at",
        "decided_by",
    )
    list_select_related = ("user",)
    list_filter = ("status", days("asked_at", _("提交时间")))
    ordering = ("-id",)
    reached_from = {"accounts.user": ("user", _("注销申请"))}
    fields = (
        "user",
        ("asked_at", "asked_by"),
        ("reason", "gives_up_balance"),
        "status",
        ("decided_at", "decided_by"),
    )
    actions = ("confirm", "refuse", *EXPORTS)

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and obj.status == ErasureRequest.Status.WAITING

    @confirmed(
        _("确认注销"),
        permission="accounts.erase_user",
        question=_(
            "手机号、身份证、昵称、头像、微信标识和说过的话将被清除，群被注销，登录立即失效，不可恢复；账目保留但不含个人信息。"
            "自己提交的要由另一名运营人员确认。"
        ),
        lines=lambda rows: [str(row.user) for row in rows.select_related("user")[:SHOWN]],
        did=_("已注销账号"),
        why_not=_("由你自己提交、已经处理，或现在不能注销"),
    )
    def confirm(self, chosen: Confirmed) -> int:
        return chosen.call_each(erasure.confirm_erasure)

    @confirmed(
        _("拒绝注销"),
        permission="accounts.erase_user",
        question=_("这些账号不会注销。自己提交的可以撤回。"),
        did=_("已拒绝"),
        why_not=_("已经处理"),
    )
    def refuse(self, chosen: Confirmed) -> int:
        return chosen.call_each(erasure.refuse_erasure)


dashboard.register_task(
    _("待确认的注销申请"),
    page="accounts_erasurerequest",
    query="status__exact=0",
    permission="accounts.erase_user",
    count=dashboard.counted(ErasureRequest.objects.waiting),
)
