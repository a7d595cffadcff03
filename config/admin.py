"""Service keys and short links for operators."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from config import site_status
from config.api_keys import issue_key
from config.backoffice.confirm import ask
from config.backoffice.facts import FactsAdmin
from config.models import ApiKey, Marquee, PageVisit, Scope, ShortLink, SiteStatus, revoke


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(label="权限范围", choices=Scope.choices, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = ApiKey
        fields = ("name", "scopes")


@admin.register(ApiKey)
class ApiKeyAdmin(FactsAdmin):
    """A key is shown once, when it is made; it is taken out of use by revoking it."""

    form = ApiKeyForm
    list_display = ("name", "prefix", "scopes", "created_at", "last_used_at", "revoked_at", "revoked_by")
    list_select_related = ("revoked_by",)
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "=prefix")
    actions = ("revoke", "export")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("config.add_apikey"))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("config.revoke_apikey"))

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        raw = issue_key(obj, form.cleaned_data["scopes"])
        self.message_user(request, f"密钥(只显示这一次,请立即保存):{raw}", messages.WARNING)

    @admin.action(description="吊销", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> Any:
        page, _ = ask(
            self,
            request,
            queryset,
            action="revoke",
            title="吊销密钥",
            question="使用这些密钥的系统将立即无法调用,不可恢复。",
        )
        if page is not None:
            return page
        now = timezone.now()
        done = [revoke(key, by=request.user, at=now) for key in queryset]
        self.report(request, done=sum(done), chosen=len(done), did="已吊销", why_not="之前已经吊销")
        return None


@admin.register(ShortLink)
class ShortLinkAdmin(FactsAdmin):
    list_display = ("slug", "url", "click_count", "created_at")
    search_fields = ("=slug", "url")


@admin.register(SiteStatus)
class SiteStatusAdmin(FactsAdmin):
    """The newest is current. Set a new one by adding it; what was set before stays as history."""

    list_display = ("set_at", "status", "upgrade_end", "set_by")
    fields = ("status", "upgrade_end")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("config.add_sitestatus"))

    def save_model(self, request: HttpRequest, obj: SiteStatus, form: Any, change: bool) -> None:
        by = request.user.get_username()
        row = site_status.set_status(status=obj.status, upgrade_end=obj.upgrade_end, by=by, at=timezone.now())
        obj.pk = row.pk


@admin.register(Marquee)
class MarqueeAdmin(FactsAdmin):
    list_display = ("set_at", "is_shown", "content", "set_by")
    fields = ("is_shown", "content")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("config.add_marquee"))

    def save_model(self, request: HttpRequest, obj: Marquee, form: Any, change: bool) -> None:
        by = request.user.get_username()
        row = site_status.set_marquee(is_shown=obj.is_shown, content=obj.content, by=by, at=timezone.now())
        obj.pk = row.pk


@admin.register(PageVisit)
class PageVisitAdmin(FactsAdmin):
    list_display = ("day", "visit_count")
