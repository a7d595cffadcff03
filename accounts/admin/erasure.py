"""Admin pages of erasure requests: one operator requests the erasure of a user, another one confirms it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy

from accounts import erasure
from accounts.models import ErasureRequest, User
from config.backoffice import dashboard
from config.backoffice.actions import SHOWN, ReasonForm, confirm_each, confirmation
from config.backoffice.base import EXPORTS, ReadOnlyAdmin, permission_check
from config.backoffice.filters import days

_QUESTION = "手机号、身份证、昵称、头像、微信标识和说过的话将被清除，群被注销，登录立即失效，不可恢复；账目保留但不含个人信息。"


class ErasureForm(ReasonForm):
    """Form for the reason, without personal data, and for the user's consent to lose the balance."""

    gives_up_balance = forms.BooleanField(label=gettext_lazy("用户已确认放弃余额"), required=False)


def request_erasure(model_admin: ReadOnlyAdmin, request: HttpRequest, queryset: QuerySet[User]) -> Any:
    """Request the erasure of the chosen users (action of the user list); each request waits for a second operator."""
    page, data, keys = confirmation(
        model_admin,
        request,
        queryset,
        action="erase",
        title="注销账号",
        question=f"{_QUESTION}提交后由另一名运营人员在“注销申请”里确认。原因里请不要写个人信息。",
        form=ErasureForm,
    )
    if page is not None:
        return page
    done = erasure.request_all(
        list(User.objects.filter(pk__in=keys)), by=request.user.get_username(), at=timezone.now(), **data
    )
    why_not = "已经注销、已有待确认的申请，或是运营人员"
    model_admin.report(request, done=done, chosen=len(keys), did="已提交，待另一名运营人员确认", why_not=why_not)
    return None


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
    list_filter = ("status", days("asked_at", "提交时间"))
    ordering = ("-id",)
    reached_from = {"accounts.user": ("user", "注销申请")}
    fields = (
        "user",
        ("asked_at", "asked_by"),
        ("reason", "gives_up_balance"),
        "status",
        ("decided_at", "decided_by"),
    )
    actions = ("confirm", "refuse", *EXPORTS)
    has_erase_permission = permission_check("accounts.erase_user")

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and obj.status == ErasureRequest.Status.WAITING

    @admin.action(description="确认注销", permissions=["erase"])
    def confirm(self, request: HttpRequest, queryset: QuerySet[ErasureRequest]) -> Any:
        return confirm_each(
            self,
            request,
            queryset,
            action="confirm",
            title="确认注销",
            question=f"{_QUESTION}自己提交的要由另一名运营人员确认。",
            lines=[str(row.user) for row in queryset.select_related("user")[:SHOWN]],
            do=erasure.confirm_erasure,
            did="已注销账号",
            why_not="由你自己提交、已经处理，或现在不能注销",
        )

    @admin.action(description="拒绝注销", permissions=["erase"])
    def refuse(self, request: HttpRequest, queryset: QuerySet[ErasureRequest]) -> Any:
        return confirm_each(
            self,
            request,
            queryset,
            action="refuse",
            title="拒绝注销",
            question="这些账号不会注销。自己提交的可以撤回。",
            do=erasure.refuse_erasure,
            did="已拒绝",
            why_not="已经处理",
        )


dashboard.register_task(
    "待确认的注销申请",
    page="accounts_erasurerequest",
    query="status__exact=0",
    permission="accounts.erase_user",
    count=dashboard.counted(ErasureRequest.objects.waiting),
)
