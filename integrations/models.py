"""The inbox of gateway events, the list of sensitive words, and text messages in bulk."""

from typing import TypeAlias

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import filled_exactly_when, filled_together
from config.platform.dates import shanghai_time
from config.platform.queues import Job, JobStatus


class EventStatus(models.IntegerChoices):
    WAITING = 0, _("待处理")
    HANDLED = 1, _("已处理")
    IGNORED = 2, _("已忽略")
    UNKNOWN = 3, _("未知命令")
    FAILED = 4, _("处理失败")
    REFUSED = 5, _("已拒收")  # an invalid item, stored so that operators see what the gateway sends


class GatewayEvent(models.Model):
    """An event as the gateway posted it. Events with the same `ordering_key` are handled in the order of `id`."""

    Status: TypeAlias = EventStatus

    id = models.BigAutoField(primary_key=True)
    event_id = models.CharField(_("事件编号"), max_length=128, unique=True)
    command = models.CharField(_("命令"), max_length=64)
    body = models.JSONField(_("内容"))
    # "g:<group>", "u:<user>", "r:<robot>", "bans" or "" (no order).
    ordering_key = models.CharField(_("次序"), max_length=160)
    # Another ordering key, whose earlier events are handled first (the user who invites a robot into a group).
    depends_on_key = models.CharField(max_length=160, blank=True)
    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.WAITING)
    received_at = models.DateTimeField(_("收到时间"))
    attempts = models.PositiveSmallIntegerField(_("尝试次数"), default=0)
    next_attempt_at = models.DateTimeField(_("下次处理"))
    finished_at = models.DateTimeField(_("处理时间"), null=True, blank=True)
    note = models.TextField(_("说明"), blank=True)  # why it was ignored, or the traceback

    class Meta:
        verbose_name, verbose_name_plural = _("网关事件"), pgettext_lazy("plural", "网关事件")
        permissions = [("replay_gatewayevent", "重新处理事件")]
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=filled_exactly_when(~Q(status=EventStatus.WAITING), "finished_at"),
                name="finished_event_has_finished_at",
            ),
            models.CheckConstraint(
                condition=Q(next_attempt_at__gte=F("received_at")), name="event_retried_after_it_came"
            ),
        ]
        indexes = [
            # handle_events: the first event of each ordering key, and the window of waiting events
            models.Index(
                fields=["ordering_key", "id"], condition=Q(status=EventStatus.WAITING), name="event_waiting_by_key"
            ),
            models.Index(fields=["id"], condition=Q(status=EventStatus.WAITING), name="event_waiting_by_id"),
            # operators: the events that need one
            models.Index(fields=["status", "-id"], name="event_by_status"),
            # retention by days: events are inserted in the order of time, so a BRIN index is enough
            BrinIndex(fields=["received_at"], name="events_by_moment", pages_per_range=32),
        ]

    def __str__(self) -> str:
        return gettext("%s 的网关事件") % shanghai_time(self.received_at)


class SensitiveWordImport(models.Model):
    """An imported file of sensitive words. Undoing the import deletes the words that it added."""

    file_name = models.CharField(_("文件名"), max_length=200, blank=True)
    imported_at = models.DateTimeField(_("导入时间"))
    imported_by = models.CharField(_("导入人"), max_length=80)
    word_count = models.PositiveIntegerField(_("新增词数"), default=0)
    undone_at = models.DateTimeField(_("撤销时间"), null=True, blank=True)
    undone_by = models.CharField(_("撤销人"), max_length=80, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("敏感词导入"), pgettext_lazy("plural", "敏感词导入")
        ordering = ["-id"]
        permissions = [("undo_sensitivewordimport", "撤销敏感词导入")]
        constraints = [
            models.CheckConstraint(
                condition=filled_together("undone_at", texts=["undone_by"]),
                name="undone_import_has_undone_by",
            )
        ]
        # the back office: the imports of a file, and those of a few days
        indexes = [
            models.Index(fields=["file_name"], opclasses=["varchar_pattern_ops"], name="word_imports_by_file_name"),
            BrinIndex(
                fields=["imported_at"], name="word_imports_by_moment", pages_per_range=32, autosummarize=True
            ),
        ]

    def __str__(self) -> str:
        return self.file_name or gettext("%s 的导入") % shanghai_time(self.imported_at)


class SensitiveWord(models.Model):
    """A word that nicknames, welcome messages, keywords and mass messages may not contain."""

    word = models.CharField(_("敏感词"), max_length=64, unique=True)
    created_at = models.DateTimeField(_("添加时间"), auto_now_add=True)
    word_import = models.ForeignKey(
        SensitiveWordImport,
        models.SET_NULL,
        related_name="words",
        null=True,
        blank=True,
        editable=False,
        verbose_name=_("来自导入"),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("敏感词"), pgettext_lazy("plural", "敏感词")
        ordering = ["word"]
        constraints = [models.CheckConstraint(condition=~Q(word=""), name="sensitive_word_is_a_word")]

    def __str__(self) -> str:
        return self.word


class TextMessageStatus(models.IntegerChoices):
    WAITING = 0, _("待发送")
    SENT = 1, _("已发送")
    FAILED = 2, _("失败")
    CLOSED = 3, _("已关闭")
    UNKNOWN = 4, _("结果未知")


class TextMessage(Job):
    """An SMS of a batch. From its lease on it may have arrived, so it is sent again only after an answer that it was not."""

    Status: TypeAlias = TextMessageStatus
    worker_task = "integrations.tasks.send_texts"

    id = models.BigAutoField(primary_key=True)
    batch = models.UUIDField(_("批次"))
    phone = models.CharField(_("手机号"), max_length=11)
    content = models.CharField(_("内容"), max_length=500)
    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.WAITING)
    created_at = models.DateTimeField(_("创建时间"))

    class Meta(Job.Meta):
        verbose_name, verbose_name_plural = _("群发短信"), pgettext_lazy("plural", "群发短信")
        permissions = [("retry_textmessage", "重发短信")]
        ordering = ["-id"]
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["batch", "phone"], name="each_number_once_per_batch"),
        ]
        indexes = [
            # sending
            models.Index(fields=["next_attempt_at", "id"], condition=Q(finished_at__isnull=True), name="texts_due"),
            # the back office: the messages of one number, those that were not sent, and those of a day
            models.Index(fields=["phone", "-id"], name="texts_of_phone"),
            models.Index(
                fields=["status", "-id"],
                condition=~Q(status=TextMessageStatus.SENT),
                name="texts_not_sent",
            ),
            BrinIndex(fields=["created_at"], name="texts_by_moment", pages_per_range=32, autosummarize=True),
            # the page of queues: what was finished lately
            BrinIndex(fields=["finished_at"], name="texts_by_finish", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.phone[:3]}****{self.phone[-4:]}"


class Alarm(models.Model):
    """An urgent task of the dashboard from its beginning to its end, of which operators are notified outside the admin."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=200, editable=False)  # of the task, the same each time
    title = models.CharField(_("告警"), max_length=200)
    remark = models.CharField(_("说明"), max_length=300, blank=True)  # at the beginning
    began_at = models.DateTimeField(_("开始时间"))
    last_seen_at = models.DateTimeField(_("最近一次出现"))
    ended_at = models.DateTimeField(_("结束时间"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("告警"), pgettext_lazy("plural", "告警")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(ended_at__isnull=True), name="one_open_alarm_per_task"
            ),
            models.CheckConstraint(
                condition=Q(last_seen_at__gte=F("began_at")), name="alarm_is_seen_after_it_began"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("last_seen_at")), name="alarm_ends_after_it_was_seen"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class AlarmChannel(models.TextChoices):
    WECOM = "wecom", _("企业微信群机器人")
    DINGTALK = "dingtalk", _("钉钉群机器人")
    EMAIL = "email", _("邮件")


class AlarmNotice(Job):
    """The notification of one channel of the beginning or the end of an alarm, in the order of the ids."""

    Channel: TypeAlias = AlarmChannel
    worker_task = "integrations.tasks.send_alarms"
    ordering_field = "channel"

    id = models.BigAutoField(primary_key=True)
    alarm = models.ForeignKey(Alarm, models.CASCADE, related_name="notices", verbose_name=_("告警"))
    channel = models.CharField(_("渠道"), max_length=8, choices=Channel.choices)
    is_end = models.BooleanField(_("告警结束"))

    class Meta(Job.Meta):
        verbose_name, verbose_name_plural = _("告警通知"), pgettext_lazy("plural", "告警通知")
        permissions = [("retry_alarmnotice", "重发告警通知")]
        ordering = ["-id"]
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["alarm", "channel", "is_end"], name="alarm_is_notified_once"),
        ]
        indexes = [
            models.Index(
                fields=["channel", "id"], condition=Q(finished_at__isnull=True), name="alarm_notices_open"
            ),
            # the back office: notices of a channel, and those of a status; most are sent
            models.Index(fields=["channel", "-id"], name="alarm_notices_of_channel"),
            models.Index(
                fields=["status", "-id"], condition=~Q(status=JobStatus.DONE), name="alarm_notices_not_sent"
            ),
            BrinIndex(
                fields=["finished_at"], name="alarm_notices_by_finish", pages_per_range=32, autosummarize=True
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alarm.title}（{self.get_channel_display()}）"
