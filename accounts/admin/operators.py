"""Admin page of the operators: the people who may sign in to the admin, and their roles."""

from collections.abc import Iterable
from typing import Any

from axes.utils import reset
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group as Role
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import operator_changes
from accounts.models import Operator, OperatorChange
from config.backoffice import roles, sessions
from config.backoffice.actions import Confirmed, action, confirmed
from config.backoffice.base import ListAdmin
from config.errors import Conflict

admin.site.unregister(Role)  # `migrate` creates the roles; the operator's page assigns them
for device in (TOTPDevice, StaticDevice):
    admin.site.unregister(device)  # its page shows the secret


NO_OTHER_ADMINISTRATOR = _(
    "目前没有别的管理员可以确认。只有一名管理员时，请由运维在服务器上用命令 manage.py operator 办理，"
    "再把这条变更拒绝。"
)


class RolesField(forms.ModelMultipleChoiceField):
    """A choice of roles, each labelled with its purpose."""

    def label_from_instance(self, obj: Any) -> str:
        return str(roles.TITLES.get(obj.name, obj.name))


def _roles_field() -> RolesField:
    return RolesField(
        Role.objects.all(),
        label=_("角色"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "可动用资金的角色（财务、管理员）要另一名管理员确认后生效；只有一名管理员时，由运维用命令 manage.py operator 办理。"
        ),
    )


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


def _change(kind: OperatorChange.Kind, operator: Operator) -> OperatorChange:
    """Return a proposal for an operator. For a new password it holds the hash that the form has set on the operator."""
    password = operator.password if kind == OperatorChange.Kind.PASSWORD else ""
    return OperatorChange(kind=kind, username=operator.get_username(), operator=operator, password=password)


class RoleFilter(admin.SimpleListFilter):
    """A filter by role."""

    title, parameter_name = _("角色"), "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return [(name, roles.title_of(name)) for name in roles.TITLES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(groups__name=self.value()) if self.value() else queryset


@admin.register(Operator)
class OperatorAdmin(ListAdmin, DjangoUserAdmin):
    """Operators. Only superusers create and change superusers. A name never changes: the audit log refers to it."""

    form = OperatorChangeForm
    add_form = OperatorCreationForm
    list_display = ("username", "roles", "is_active", "is_superuser", "has_second_factor", "last_login")
    list_filter = ("is_active", "is_superuser", RoleFilter)
    search_fields = ("username__startswith",)
    ordering = ("username",)
    filter_horizontal = ()
    add_fieldsets = ((None, {"fields": ("username", "usable_password", "password1", "password2", "groups")}),)
    actions = ("reset_second_factor", "unlock")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Save at once, or store a proposal when the operator gains the right to move money."""
        change = self._change_of_rights(request, object_id) if request.method == "POST" else None
        return (
            self._propose(request, [change])
            if change
            else super().changeform_view(request, object_id, form_url, extra_context)
        )

    def _change_of_rights(self, request: HttpRequest, object_id: str | None) -> OperatorChange | None:
        """Return the change that a second administrator must confirm, or None when the form needs no confirmation."""
        row = self.get_object(request, unquote(object_id)) if object_id else None
        is_permitted = self.has_change_permission(request, row) if object_id else self.has_add_permission(request)
        if not is_permitted or (object_id and row is None):
            return None
        before = operator_changes.rights_of(row) if row else operator_changes.NO_RIGHTS
        form = self.get_form(request, row, change=row is not None)(request.POST, instance=row)
        if not form.is_valid():
            return None
        chosen = form.cleaned_data
        after = {
            "roles": sorted(role.name for role in chosen["groups"]),
            "is_active": chosen.get("is_active", True),
            "is_superuser": chosen.get("is_superuser", before["is_superuser"]),
        }
        if not operator_changes.needs_second_administrator(before, after):
            return None
        if row is not None:
            kind = OperatorChange.Kind.RIGHTS
            return OperatorChange(kind=kind, username=row.username, operator=row, before=before, values=after)
        operator = form.save(commit=False)
        kind = OperatorChange.Kind.ADD
        return OperatorChange(kind=kind, username=operator.username, values=after, password=operator.password)

    def save_model(self, request: HttpRequest, obj: Operator, form: Any, change: bool) -> None:
        """Save, and end the sessions of an operator who becomes inactive: reactivation would make them valid again."""
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            if obj.pk == request.user.pk:
                request.session.flush()
            sessions.end_all([obj.pk])

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Set a password at once, or store a proposal when it belongs to another operator who moves money."""
        if request.method == "POST":
            operator = self.get_object(request, unquote(id))
            is_permitted = operator is not None and self.has_change_permission(request, operator)
            if is_permitted and operator.pk != request.user.pk and operator_changes.moves_money(operator):
                form = self.change_password_form(operator, request.POST)
                if form.is_valid() and form.cleaned_data["set_usable_password"]:
                    form.save(commit=False)
                    return self._propose(request, [_change(OperatorChange.Kind.PASSWORD, operator)])
        return super().user_change_password(request, id, form_url)

    def _propose(self, request: HttpRequest, changes: Iterable[OperatorChange]) -> HttpResponse:
        """Store these changes for another administrator to decide, and show a message about them."""
        by, done = request.user.get_username(), 0
        for change in changes:
            try:
                operator_changes.propose(change, by=by, at=timezone.now())
            except Conflict as refusal:
                self.message_user(request, f"{gettext(refusal.description)}：{change.username}", messages.ERROR)
                continue
            done += 1
            if not operator_changes.count_deciders(change, by=by):
                self.message_user(request, NO_OTHER_ADMINISTRATOR, messages.WARNING)
        if done:
            text = gettext(
                "可动用资金的运营人员由两名管理员变更：%s 条已提交，待另一名管理员在“运营人员变更”里确认后生效。"
            )
            self.message_user(request, text % done, messages.WARNING)
        return HttpResponseRedirect(reverse("admin:accounts_operator_changelist"))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        rights = ("is_active", "is_superuser", "groups") if request.user.is_superuser else ("is_active", "groups")
        return (
            (None, {"fields": ("username", "password")}),
            (gettext("权限"), {"fields": rights}),
            (gettext("时间"), {"fields": ("last_login",)}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("last_login",) if obj is None else ("username", "last_login")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        operators = super().get_queryset(request).prefetch_related("groups", "totpdevice_set")
        return operators if request.user.is_superuser else operators.filter(is_superuser=False)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # an operator who left becomes inactive: the audit log still refers to the name

    @admin.display(description=_("角色"))
    def roles(self, operator: Operator) -> str:
        return "、".join(roles.title_of(role.name) for role in operator.groups.all())

    @admin.display(description=_("两步验证"), boolean=True)
    def has_second_factor(self, operator: Operator) -> bool:
        return any(device.confirmed for device in operator.totpdevice_set.all())  # type: ignore[attr-defined]  # of django_otp

    @confirmed(
        _("重置两步验证"),
        permission="accounts.change_operator",
        question=_(
            "这些运营人员下次登录时要重新设置身份验证器。请先确认是本人要求。"
            "可动用资金的运营人员要另一名管理员确认后才重置。"
        ),
    )
    def reset_second_factor(self, chosen: Confirmed) -> None:
        with_device = chosen.rows.filter(totpdevice__isnull=False).distinct()
        money_operators = [operator for operator in with_device if operator_changes.moves_money(operator)]
        changes = [_change(OperatorChange.Kind.SECOND_FACTOR, operator) for operator in money_operators]
        self._propose(chosen.request, changes)
        others = set(chosen.keys) - {operator.pk for operator in money_operators}
        done = operator_changes.reset_second_factors(others)
        self.report(chosen.request, done=done, chosen=len(others), did=_("已重置"), why_not=_("没有设置两步验证"))

    @action(_("解除登录锁定"), permission="accounts.change_operator")
    def unlock(self, request: HttpRequest, queryset: QuerySet[Operator]) -> None:
        names = list(queryset.values_list("username", flat=True))
        done = sum(bool(reset(username=name)) for name in names)
        self.report(request, done=done, chosen=len(names), did=_("已解锁"), why_not=_("没有被锁定"))
