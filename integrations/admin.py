"""The inbox of gateway events."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.backoffice import home
from config.backoffice.confirm import ask
from config.backoffice.facts import EXPORTS, FactsAdmin, ListAdmin, button, may
from config.backoffice.filters import days
from integrations import inbox, moderation, text_messages
from integrations.models import GatewayEvent, SensitiveWord, TextMessage

SHOWN_LINES = 20  # of a file's refused ones


@admin.register(GatewayEvent)
class GatewayEventAdmin(FactsAdmin):
    """What the gateway told; what could not be handled can be handled again."""

    list_display = ("id", "received_at", "command", "event_id", "lane", "status", "try_count", "settled_at")
    list_filter = ("status", days("received_at", "收到时间"))
    search_fields = ("event_id__exact",)
    search_help_text = "完整的事件编号"
    ordering = ("-id",)
    actions = ("replay", *EXPORTS)
    has_replay_permission = may("integrations.replay_gatewayevent")

    def offers(self, action: str, obj: Any) -> bool:
        done = (GatewayEvent.Status.WAITING, GatewayEvent.Status.HANDLED, GatewayEvent.Status.REFUSED)
        return super().offers(action, obj) and obj.status not in done

    @admin.action(description="重新处理", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[GatewayEvent]) -> Any:
        page, _said, keys = ask(
            self,
            request,
            queryset,
            action="replay",
            title="重新处理",
            question="将重新处理其中失败、忽略或未知的事件。",
        )
        if page is not None:
            return page
        now = timezone.now()
        done = [inbox.replay(event, at=now) for event in queryset.filter(pk__in=keys).order_by("pk")]
        self.report(request, done=sum(done), chosen=len(keys), did="将重新处理", why_not="已处理或正在等待处理")
        return None


@admin.register(TextMessage)
class TextMessageAdmin(FactsAdmin):
    """Texts to many phones; those that failed can be sent again, those that may have arrived cannot."""

    list_display = ("id", "created_at", "__str__", "content", "status", "try_count", "settled_at", "reason")
    list_filter = ("status", days("created_at", "创建时间"))
    search_fields = ("phone__exact",)
    search_help_text = "完整的手机号"
    ordering = ("-id",)
    fields = ("batch", "__str__", "content", "status", "created_at", "settled_at", "try_count", "reason")
    readonly_fields = ("__str__",)
    actions = ("retry", *EXPORTS)
    has_retry_permission = may("integrations.retry_textmessage")

    def offers(self, action: str, obj: Any) -> bool:
        return super().offers(action, obj) and obj.status == TextMessage.Status.FAILED

    @admin.action(description="重新发送失败的短信", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[TextMessage]) -> Any:
        page, _said, keys = ask(
            self,
            request,
            queryset,
            action="retry",
            title="重新发送",
            question="将重新发送其中失败的短信；结果未知的可能已经送达，不会重发。",
        )
        if page is not None:
            return page
        done = text_messages.retry(queryset.filter(pk__in=keys), at=timezone.now())
        self.report(request, done=done, chosen=len(keys), did="将重新发送", why_not="不是失败的短信")
        return None


class WordsForm(forms.Form):
    file = forms.FileField(label=_("文件"), help_text=_("CSV 或文本文件(UTF-8 或 GBK),第一列,每行一个词"))

    def clean_file(self) -> bytes:
        raw: bytes = self.cleaned_data["file"].read()
        try:
            moderation.import_words(raw, dry_run=True)
        except moderation.NotAList as error:
            raise forms.ValidationError(str(error)) from error
        return raw


class WordForm(forms.ModelForm):
    def clean_word(self) -> str:
        word: str = self.cleaned_data["word"]
        if problem := moderation.problem_of(word):
            raise forms.ValidationError(_(problem))
        return word


@admin.register(SensitiveWord)
class SensitiveWordAdmin(ListAdmin):
    form = WordForm
    list_display = ("word", "created_at")
    search_fields = ("word__startswith",)
    search_help_text = "敏感词的开头"
    list_buttons = ("take_in",)

    @button("导入 CSV", permission="integrations.add_sensitiveword", takes_file=True)
    def take_in(self, request: HttpRequest) -> HttpResponse | None:
        """Ask for a file, then add its words, each once."""
        form = WordsForm(request.POST, request.FILES) if "asked" in request.POST else WordsForm()
        if form.is_valid():
            told = moderation.import_words(form.cleaned_data["file"])
            self.report(request, done=told.new, chosen=told.new + told.known, did="已导入", why_not="已经在列表中")
            self._say_what_was_left_out(request, told)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("导入敏感词"),
            "form": form,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/upload.html", context)

    def _say_what_was_left_out(self, request: HttpRequest, told: moderation.Imported) -> None:
        if told.repeated or told.refused:
            counts = {"repeated": told.repeated, "refused": len(told.refused), "shown": SHOWN_LINES}
            text = _("%(repeated)s 行重复,%(refused)s 行不能用(最多列出 %(shown)s 行)。") % counts
            self.message_user(request, text, messages.WARNING)
        for line in told.refused[:SHOWN_LINES]:
            self.message_user(request, line, messages.WARNING)

    def save_model(self, request: HttpRequest, obj: SensitiveWord, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(moderation.list_changed)

    def delete_model(self, request: HttpRequest, obj: SensitiveWord) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(moderation.list_changed)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SensitiveWord]) -> None:
        super().delete_queryset(request, queryset)
        transaction.on_commit(moderation.list_changed)


home.to_do(
    "处理失败的事件",
    page="integrations_gatewayevent",
    query="status__exact=4",
    permission="integrations.view_gatewayevent",
    count=home.counted(lambda: GatewayEvent.objects.filter(status=GatewayEvent.Status.PARKED)),
    is_urgent=True,
)
home.to_do(
    "未知命令的事件",
    page="integrations_gatewayevent",
    query="status__exact=3",
    permission="integrations.view_gatewayevent",
    count=home.counted(lambda: GatewayEvent.objects.filter(status=GatewayEvent.Status.UNKNOWN)),
)
home.to_do(
    "拒收的事件",
    page="integrations_gatewayevent",
    query="status__exact=5",
    permission="integrations.view_gatewayevent",
    count=home.counted(lambda: GatewayEvent.objects.filter(status=GatewayEvent.Status.REFUSED)),
)
