"""Users for those who look after them, and the operators themselves."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import blocking, identity
from accounts.models import Operator, User
from config.backoffice.confirm import ReasonForm, ask
from config.backoffice.facts import FactsAdmin


@admin.register(User)
class UserAdmin(FactsAdmin):
    """Everybody whom a robot met."""

    list_display = (
        "nickname",
        "code",
        "phone",
        "inviter",
        "channel",
        "completed_at",
        "blocked_at",
        "created_at",
    )
    list_select_related = ("inviter",)
    list_filter = (
        "channel",
        ("blocked_at", admin.EmptyFieldListFilter),
        ("completed_at", admin.EmptyFieldListFilter),
        "created_at",
    )
    search_fields = ("nickname", "=phone", "=code", "=union_id")
    search_help_text = "昵称,或完整的手机号、网关编号、union_id"
    ordering = ("-created_at", "id")
    fields = (
        ("nickname", "avatar_url"),
        ("code", "channel"),
        ("union_id", "open_id", "app_id"),
        ("phone", "identity"),
        "inviter",
        ("created_at", "completed_at"),
        ("blocked_at", "blocked_by", "blocked_reason"),
    )
    readonly_fields = ("identity",)
    actions = ("block", "unblock", "export")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(Q(is_staff=False) | Q(code__isnull=False))

    @admin.display(description="身份证")
    def identity(self, user: User) -> str:
        return identity.masked(user)

    def has_block_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.block_user"))

    @admin.action(description="封号", permissions=["block"])
    def block(self, request: HttpRequest, queryset: QuerySet[User]) -> Any:
        page, said = ask(
            self,
            request,
            queryset,
            action="block",
            title="封号",
            question="将封禁这些用户:只能查看,不能操作;未打款的提现一并拒绝并退回余额。",
            form=ReasonForm,
        )
        if page is not None:
            return page
        now, by = timezone.now(), request.user.get_username()
        done = [blocking.block(user=user, by=by, reason=said["reason"], at=now) for user in queryset]
        self.report(request, done=sum(done), chosen=len(done), did="已封禁", why_not="已经是封禁状态")
        return None

    @admin.action(description="解封", permissions=["block"])
    def unblock(self, request: HttpRequest, queryset: QuerySet[User]) -> Any:
        page, _ = ask(
            self,
            request,
            queryset,
            action="unblock",
            title="解封",
            question="这些用户将恢复使用。已拒绝的提现不会恢复。",
        )
        if page is not None:
            return page
        done = [blocking.unblock(user=user) for user in queryset]
        self.report(request, done=sum(done), chosen=len(done), did="已解封", why_not="没有被封禁")
        return None


class OperatorChangeForm(UserChangeForm):
    class Meta:
        model = Operator
        fields = "__all__"


class OperatorCreationForm(AdminUserCreationForm):
    class Meta:
        model = Operator
        fields = ("username",)

    def save(self, commit: bool = True) -> Operator:
        self.instance.is_staff = True
        return super().save(commit)


@admin.register(Operator)
class OperatorAdmin(DjangoUserAdmin):
    """Who may enter this admin. Only superusers make operators: anybody else could make themselves one."""

    form = OperatorChangeForm
    add_form = OperatorCreationForm
    list_display = ("username", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    search_fields = ("username",)
    ordering = ("username",)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("权限", {"fields": ("is_active", "is_superuser", "groups", "user_permissions")}),
        ("时间", {"fields": ("last_login",)}),
    )
    readonly_fields = ("last_login",)
    add_fieldsets = ((None, {"fields": ("username", "usable_password", "password1", "password2")}),)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # an operator who left is made inactive; what they did keeps its name
