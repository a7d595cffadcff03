"""The operators themselves: who may enter the admin, in which role."""

from typing import Any

from axes.utils import reset
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group as Role
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Operator
from config.backoffice import roles
from config.backoffice.confirm import ask
from config.backoffice.facts import ListAdmin

admin.site.unregister(Role)  # roles are made by `migrate`, and given on an operator's page
admin.site.unregister(TOTPDevice)  # its page shows the secret


class RolesField(forms.ModelMultipleChoiceField):
    """Roles by what they are for."""

    def label_from_instance(self, obj: Any) -> str:
        return str(roles.TITLES.get(obj.name, obj.name))


def _roles_field() -> RolesField:
    return RolesField(Role.objects.all(), label=_("角色"), required=False, widget=forms.CheckboxSelectMultiple)


class OperatorChangeForm(UserChangeForm):
    groups = _roles_field()

    class Meta:
        model = Operator
        fields = "__all__"


class OperatorCreationForm(AdminUserCreationForm):
    groups = _roles_field()

    class Meta:
        model = Operator
        fields = ("username", "groups")

    def save(self, commit: bool = True) -> Operator:
        self.instance.is_staff = True
        return super().save(commit)


@admin.register(Operator)
class OperatorAdmin(ListAdmin, DjangoUserAdmin):
    """Only superusers make superusers, and touch them. A name stays: the books know operators by it."""

    form = OperatorChangeForm
    add_form = OperatorCreationForm
    list_display = ("username", "roles", "is_active", "is_superuser", "has_second_factor", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    search_fields = ("username__startswith",)
    ordering = ("username",)
    filter_horizontal = ()
    add_fieldsets = ((None, {"fields": ("username", "usable_password", "password1", "password2", "groups")}),)
    actions = ("reset_second_factor", "unlock")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        rights = ("is_active", "is_superuser", "groups") if request.user.is_superuser else ("is_active", "groups")
        return (
            (None, {"fields": ("username", "password")}),
            (_("权限"), {"fields": rights}),
            (_("时间"), {"fields": ("last_login",)}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("last_login",) if obj is None else ("username", "last_login")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        everybody = super().get_queryset(request).prefetch_related("groups", "totpdevice_set")
        return everybody if request.user.is_superuser else everybody.filter(is_superuser=False)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # an operator who left is made inactive; what they did keeps its name

    @admin.display(description="角色")
    def roles(self, operator: Operator) -> str:
        return "、".join(role.name for role in operator.groups.all())

    @admin.display(description="两步验证", boolean=True)
    def has_second_factor(self, operator: Operator) -> bool:
        return any(device.confirmed for device in operator.totpdevice_set.all())  # type: ignore[attr-defined]

    @admin.action(description="重置两步验证", permissions=["change"])
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[Operator]) -> Any:
        page, _said, keys = ask(
            self,
            request,
            queryset,
            action="reset_second_factor",
            title="重置两步验证",
            question="这些运营人员下次登录时要重新设置身份验证器。请先确认是本人要求。",
        )
        if page is not None:
            return page
        devices = TOTPDevice.objects.filter(user__in=keys)
        done = len(set(devices.values_list("user", flat=True)))
        devices.delete()
        self.report(request, done=done, chosen=len(keys), did="已重置", why_not="没有设置两步验证")
        return None

    @admin.action(description="解除登录锁定", permissions=["change"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[Operator]) -> None:
        names = list(queryset.values_list("username", flat=True))
        done = sum(bool(reset(username=name)) for name in names)
        self.report(request, done=done, chosen=len(names), did="已解锁", why_not="没有被锁定")
