"""The admin of gateway events, text messages and sensitive words."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice import dashboard
from config.backoffice.actions import SHOWN, Confirmed, button, confirmed
from config.backoffice.base import EXPORTS, ListAdmin, ReadOnlyAdmin
from config.backoffice.filters import days
from config.backoffice.queues import QueueAdmin, close_action, register_queue, retry_action
from config.backoffice.readable import NAMES, raw, shortened, shown
from config.platform.characters import stripped
from config.platform.dates import shanghai_time
from integrations.gateway import inbox
from integrations.gateway.event_body import BY_COMMAND
from integrations.models import Alarm, AlarmNotice, GatewayEvent, SensitiveWord, SensitiveWordImport, TextMessage
from integrations.moderation import imports, pages, words

_SHOWN = 60  # characters of an event's texts in the list
_READ = ("nickname", "name", "title", "content", "reason")  # fields with texts


def _meaning(event: GatewayEvent) -> str:
    """Return the meaning of the event's command, or the command that is not known."""
    kind = BY_COMMAND.get(event.command)
    return gettext(kind.meaning) if kind else gettext("未知命令 %s") % event.command


def _event_lines(chosen: QuerySet[GatewayEvent]) -> list[str]:
    """Return a line for each event: its meaning, moment and status."""
    return [
        f"{_meaning(event)} · {shanghai_time(event.received_at)} · {event.get_status_display()}"
        for event in chosen[:SHOWN]
    ]


def _labels(schema: Any) -> dict[str, str]:
    """Return {field: its label} of the schema of an event: the first clause of its description."""
    labels = dict[str, str]()
    for name, field in schema.get("properties", {}).items():
        labels[name] = re.split("[，：；]", field.get("description", name))[0]
        labels |= _labels(field.get("items", {}))
    return labels | _labels(schema.get("items", {})) if "items" in schema else labels


def _texts_of(body: Any) -> Iterator[str]:
    """Yield the texts of a body that a person wrote or reads."""
    for item in body if isinstance(body, list) else [body]:
        if isinstance(item, dict):
            yield from (str(item[name]) for name in _READ if item.get(name))


@admin.register(GatewayEvent)
class GatewayEventAdmin(ReadOnlyAdmin):
    """The events of the gateway. Failed, ignored and unknown ones can be handled again."""

    list_display = ("received_at", "meaning", "summary", "status", "attempts", "finished_at", "event_id")
    list_filter = ("status", days("received_at", _("收到时间")))
    search_fields = ("event_id__exact",)
    search_help_text = _("完整的事件编号")
    ordering = ("-id",)
    fields = (
        ("meaning", "status"),
        "shown_body",
        ("received_at", "attempts", "next_attempt_at", "finished_at"),
        "shown_note",
        "event_id",
    )
    readonly_fields = ("meaning", "shown_body", "shown_note", "raw_body")
    actions = ("replay", "close", *EXPORTS)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the body as it was received, for administrators."""
        is_administrator = request.user.has_perm("integrations.replay_gatewayevent")
        return (*super().get_fields(request, obj), *(["raw_body"] if is_administrator else []))

    @admin.display(description=_("事件"))
    def meaning(self, event: GatewayEvent) -> str:
        return _meaning(event)

    @admin.display(description=_("内容"))
    def summary(self, event: GatewayEvent) -> str:
        """Return the first texts of the body: names, nicknames and messages."""
        return shortened("，".join(_texts_of(event.body)), _SHOWN)

    @admin.display(description=_("内容"))
    def shown_body(self, event: GatewayEvent) -> SafeString:
        kind = BY_COMMAND.get(event.command)
        return shown(event.body, {**NAMES, **(_labels(kind.schema()) if kind else {})})

    @admin.display(description=_("说明"))
    def shown_note(self, event: GatewayEvent) -> SafeString:
        """Return the note. The traceback of a failure is for programmers."""
        is_traceback = "Traceback" in event.note
        return raw(event.note) if is_traceback else shown(event.note)

    @admin.display(description=_("收到的原文"))
    def raw_body(self, event: GatewayEvent) -> SafeString:
        return raw(json.dumps(event.body, ensure_ascii=False, indent=2))

    def is_action_available(self, action: str, obj: Any) -> bool:
        if action == "close":
            return obj is not None and obj.status == GatewayEvent.Status.FAILED
        excluded = (GatewayEvent.Status.WAITING, GatewayEvent.Status.HANDLED, GatewayEvent.Status.REFUSED)
        return super().is_action_available(action, obj) and obj.status not in excluded

    @confirmed(
        _("重试"),
        permission="integrations.replay_gatewayevent",
        title=_("重新处理"),
        question=_("将重新处理其中失败、忽略或未知的事件。"),
        lines=_event_lines,
        did=_("将重新处理"),
        why_not=_("已处理或正在等待处理"),
    )
    def replay(self, chosen: Confirmed) -> int:
        return sum(inbox.replay(event, at=chosen.at) for event in chosen.rows.order_by("pk"))

    @confirmed(
        _("关闭"),
        permission="integrations.replay_gatewayevent",
        question=_("其中处理失败的事件不再处理，记为已忽略。"),
        lines=_event_lines,
        did=_("已关闭"),
        why_not=_("没有失败"),
    )
    def close(self, chosen: Confirmed) -> int:
        return inbox.ignore_failed(GatewayEvent.objects.filter(pk__in=chosen.keys), by=chosen.by, at=chosen.at)


def _close_texts(chosen: Confirmed, reason: str) -> int:
    """Close the messages that were not sent. One whose worker was killed may have arrived, and will be UNKNOWN."""
    rows = TextMessage.objects.filter(pk__in=chosen.keys, leased_until=None)
    return rows.close(at=chosen.at, reason=reason)


@admin.register(TextMessage)
class TextMessageAdmin(QueueAdmin):
    """Text messages to many phones. Failed ones can be sent again. Texts of unknown outcome may have arrived."""

    list_display = ("created_at", "__str__", "content", "status", "attempts", "finished_at", "last_error")
    list_filter = ("status", days("created_at", _("创建时间")))
    search_fields = ("phone__exact",)
    search_help_text = _("完整的手机号")
    ordering = ("-id",)
    fields = ("__str__", "content", "status", "created_at", "finished_at", "attempts", "last_error")
    readonly_fields = ("__str__",)
    retry = retry_action(
        permission="integrations.retry_textmessage",
        question=_("将重新发送其中失败的短信；结果未知的可能已经送达，不会重发。"),
    )
    close = close_action(permission="integrations.retry_textmessage", close=_close_texts)


class WordForm(forms.ModelForm):
    """A sensitive word. One character, or two Latin letters or digits, needs a confirmation."""

    take_short = forms.BooleanField(
        label=_("仍要保存很短的词"),
        help_text=_("一个字的词，或两个字母、数字的词，会使很多正常内容被拒绝。"),
        required=False,
    )

    def clean_word(self) -> str:
        word = stripped(self.cleaned_data["word"])
        if problem := imports.word_problem(word):
            raise forms.ValidationError(_(problem))
        return word

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        word, is_confirmed = self.cleaned_data.get("word", ""), self.cleaned_data.get("take_short")
        if "word" in self.changed_data and word and imports.is_very_short(word) and not is_confirmed:
            self.add_error("take_short", _("这个词很短，请勾选确认，或换一个更长的词。"))
        return cleaned


@admin.register(SensitiveWord)
class SensitiveWordAdmin(ListAdmin):
    form = WordForm
    list_display = ("word", "created_at", "word_import")
    list_select_related = ("word_import",)
    search_fields = ("word__startswith",)
    search_help_text = _("敏感词的开头")
    list_buttons = ("take_in", "try_text")
    reached_from = {"integrations.sensitivewordimport": ("word_import", _("敏感词"))}

    @button(_("导入 CSV"), permission="integrations.add_sensitiveword", takes_file=True, opens_page=True)
    def take_in(self, request: HttpRequest) -> HttpResponse | None:
        """Show the form for a file, then the preview of its import; then import it."""
        return pages.import_file(self, request)

    @button(_("试一段文字"), permission="integrations.view_sensitiveword", opens_page=True)
    def try_text(self, request: HttpRequest) -> HttpResponse:
        """Show which words a text contains, and where."""
        return pages.try_text(self, request)

    def save_model(self, request: HttpRequest, obj: SensitiveWord, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(words.list_changed)

    def delete_model(self, request: HttpRequest, obj: SensitiveWord) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(words.list_changed)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SensitiveWord]) -> None:
        super().delete_queryset(request, queryset)
        transaction.on_commit(words.list_changed)


def _lines(chosen: QuerySet[SensitiveWordImport]) -> list[str]:
    """Return a line for each import: the file's name and the number of its words."""
    text = _("%(name)s：新增 %(count)s 个词")
    return [text % {"name": row.file_name, "count": row.word_count} for row in chosen[:SHOWN]]


@admin.register(SensitiveWordImport)
class SensitiveWordImportAdmin(ReadOnlyAdmin):
    """The imported files. Each import can be undone."""

    list_display = ("imported_at", "imported_by", "file_name", "word_count", "undone_at", "undone_by")
    list_filter = (days("imported_at", _("导入时间")),)
    search_fields = ("file_name__startswith",)
    search_help_text = _("文件名的开头")
    ordering = ("-id",)
    actions = ("undo", *EXPORTS)

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and obj.undone_at is None

    @confirmed(
        _("撤销导入"),
        permission="integrations.undo_sensitivewordimport",
        question=_("将从敏感词列表中删除这些导入新增的词；导入之前已有的词保留。"),
        lines=_lines,
    )
    def undo(self, chosen: Confirmed) -> None:
        rows = list(chosen.rows.filter(undone_at=None).order_by("pk"))
        count = sum(imports.undo_import(row, by=chosen.by, at=chosen.at) for row in rows)
        self.report(
            chosen.request, done=len(rows), chosen=len(chosen.keys), did=_("已撤销导入"), why_not=_("已经撤销过")
        )
        if rows:
            self.message_user(chosen.request, _("共删除 %(count)s 个词。") % {"count": count}, messages.SUCCESS)


@admin.register(Alarm)
class AlarmAdmin(ReadOnlyAdmin):
    """The alarms of which operators were notified, from their beginning to their end."""

    list_display = ("began_at", "title", "remark", "last_seen_at", "ended_at")
    ordering = ("-id",)


@admin.register(AlarmNotice)
class AlarmNoticeAdmin(QueueAdmin):
    list_display = ("id", "alarm", "channel", "is_end", "status", "attempts", "finished_at", "last_error")
    list_select_related = ("alarm",)
    list_filter = ("status", "channel")
    ordering = ("-id",)
    retry = retry_action(permission="integrations.retry_alarmnotice")
    close = close_action(permission="integrations.retry_alarmnotice")


dashboard.register_task(
    _("处理失败的事件"),
    page="integrations_gatewayevent",
    query="status__exact=4",
    permission="integrations.view_gatewayevent",
    count=dashboard.counted(lambda: GatewayEvent.objects.filter(status=GatewayEvent.Status.FAILED)),
    is_urgent=True,
)
dashboard.register_task(
    _("未知命令的事件"),
    page="integrations_gatewayevent",
    query="status__exact=3",
    permission="integrations.view_gatewayevent",
    count=dashboard.counted(lambda: GatewayEvent.objects.filter(status=GatewayEvent.Status.UNKNOWN)),
)
dashboard.register_task(
    _("拒收的事件"),
    page="integrations_gatewayevent",
    query="status__exact=5",
    permission="integrations.view_gatewayevent",
    count=dashboard.counted(lambda: GatewayEvent.objects.filter(status=GatewayEvent.Status.REFUSED)),
)


register_queue(
    GatewayEvent,
    waiting=Q(status=GatewayEvent.Status.WAITING),
    failed=Q(status=GatewayEvent.Status.FAILED),
    # The index is by the moment of receipt; an event that took longer than a day is not counted.
    finished=lambda since: Q(finished_at__gte=since, received_at__gte=since - timedelta(days=1)),
    oldest_by="pk",
    late_after=timedelta(minutes=5),
    failed_query=f"status__exact={GatewayEvent.Status.FAILED}",
)
register_queue(TextMessage)
register_queue(AlarmNotice)
