"""Mass messages: content of users for their own groups, sent at a time of their choice."""

import uuid
from typing import TypeAlias

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import empty, filled, filled_exactly_when
from config.platform.dates import shanghai_time
from config.platform.queues import Job, JobStatus
from groups.models import Group
from integrations.gateway.payloads import summary_of
from robots.models import Source, SourceType


class MassMessageDraft(models.Model):
    """Content that a user forwarded to the robot after choosing 群发; it waits ten minutes for groups and a time."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="mass_message_drafts", verbose_name=_("用户")
    )
    content = models.JSONField(_("内容"))  # type content title desc url
    created_at = models.DateTimeField(_("创建时间"))
    expires_at = models.DateTimeField(_("失效时间"))
    completed_at = models.DateTimeField(_("补全时间"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("群发草稿"), pgettext_lazy("plural", "群发草稿")
        ordering = ["-created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="draft_expires_after_it_was_made"
            ),
            models.CheckConstraint(
                condition=Q(completed_at__isnull=True) | Q(completed_at__lt=F("expires_at")),
                name="draft_completed_before_it_expired",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="drafts_oldest_first")]

    def __str__(self) -> str:
        return gettext("%s 的群发草稿") % shanghai_time(self.created_at)


class MassMessageStatus(models.IntegerChoices):
    WAITING = 0, _("待发送")
    SENT = 1, _("已发送")
    FAILED = 2, _("失败")
    RECALLED = 3, _("已撤回")


class MassMessage(models.Model):
    """A completed draft, under the draft's id. `slot` is its place among the user's two of that day."""

    Status: TypeAlias = MassMessageStatus

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="mass_messages", verbose_name=_("用户")
    )
    contents = models.JSONField(_("内容"))  # messages for each group, in this order: type content title desc url
    send_at = models.DateTimeField(_("发送时间"))
    day = models.DateField(_("日期"))
    slot = models.PositiveSmallIntegerField(_("当日第几条"), null=True, blank=True)  # null when recalled unsent
    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.WAITING)
    created_at = models.DateTimeField(_("创建时间"))
    queued_at = models.DateTimeField(_("进入发件箱时间"), null=True, blank=True)
    recalled_at = models.DateTimeField(_("撤回时间"), null=True, blank=True)
    # of an operator; empty when the user recalled it
    recalled_by = models.CharField(_("撤回人"), max_length=80, blank=True, db_default="")
    recall_reason = models.CharField(_("撤回原因"), max_length=200, blank=True, db_default="")

    class Meta:
        verbose_name, verbose_name_plural = _("群发"), pgettext_lazy("plural", "群发")
        permissions = [("stop_massmessage", "停止和撤回群发")]
        ordering = ["-send_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "day", "slot"], name="mass_message_slot_is_taken_once"),
            models.CheckConstraint(
                condition=Q(slot__in=[1, 2])
                | Q(slot__isnull=True, status=MassMessageStatus.RECALLED, queued_at__isnull=True),
                name="two_mass_messages_a_day",
            ),
            models.CheckConstraint(
                condition=Q(status__in=[MassMessageStatus.WAITING, MassMessageStatus.RECALLED])
                | filled("queued_at"),
                name="sent_mass_message_has_queued_at",
            ),
            models.CheckConstraint(
                condition=~Q(status=MassMessageStatus.RECALLED) | filled("recalled_at"),
                name="recalled_mass_message_has_recalled_at",
            ),
            models.CheckConstraint(
                condition=empty(texts=["recalled_by", "recall_reason"])
                | filled("recalled_at", texts=["recalled_by", "recall_reason"]),
                name="operators_recall_has_moment_and_reason",
            ),
        ]
        indexes = [
            # GET /tasks/messages: counted without recalled ones from the index alone
            models.Index(fields=["user", "-send_at", "id"], include=["status"], name="mass_messages_of_user"),
            # the back office: all mass messages, and those of a status; most are sent
            models.Index(fields=["-send_at", "id"], name="mass_messages_newest_first"),
            models.Index(
                fields=["status", "-send_at", "id"],
                condition=~Q(status=MassMessageStatus.SENT),
                name="mass_messages_not_sent",
            ),
        ]

    def __str__(self) -> str:
        return gettext("%s 的群发") % shanghai_time(self.send_at)

    @property
    def summary(self) -> str:
        """Return its messages as one line."""
        return " ".join(summary_of(content) for content in self.contents)[:60]

    @property
    def source(self) -> Source:
        """Return the source of its messages in the outbox."""
        return Source(SourceType.MASS_MESSAGE, str(self.pk))

    @property
    def recall_source(self) -> Source:
        """Return the source of the requests in the outbox to recall its messages."""
        return Source(SourceType.MASS_RECALL, str(self.pk))


class ScheduledSending(Job):
    """The job that writes a mass message to the outbox at its time. Recalling the mass message before closes the job."""

    worker_task = "launches.tasks.fire_mass_messages"

    mass_message = models.OneToOneField(
        MassMessage, models.CASCADE, primary_key=True, related_name="sending", verbose_name=_("群发")
    )

    class Meta(Job.Meta):
        verbose_name, verbose_name_plural = _("群发任务"), pgettext_lazy("plural", "群发任务")
        permissions = [("retry_scheduledsending", "重试群发任务")]
        ordering = ["-next_attempt_at", "mass_message_id"]
        indexes = [
            models.Index(
                fields=["next_attempt_at", "mass_message"],
                condition=Q(finished_at__isnull=True),
                name="sendings_due",
            ),
            # the back office: all jobs, and those of a status; most are done
            models.Index(fields=["-next_attempt_at", "mass_message"], name="sendings_newest_first"),
            models.Index(
                fields=["status", "-next_attempt_at", "mass_message"],
                condition=~Q(status=JobStatus.DONE),
                name="sendings_not_done",
            ),
            # the page of queues: what was finished lately
            BrinIndex(fields=["finished_at"], name="sendings_by_finish", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return gettext("%s 的群发任务") % shanghai_time(self.next_attempt_at)


class MassMessageGroup(models.Model):
    """A mass message in one group: one or two messages of the outbox, found there by its id and the group's code.

    It is sent when all its messages are, failed when one has failed. `minute` reserves the group's minute and is null when
    the mass message was recalled before it was sent.
    """

    Status = MassMessage.Status

    mass_message = models.ForeignKey(
        MassMessage, models.CASCADE, related_name="groups", db_index=False, verbose_name=_("群发")
    )
    group = models.ForeignKey(
        Group, models.PROTECT, related_name="mass_messages", db_index=False, verbose_name=_("群")
    )
    minute = models.DateTimeField(_("分钟"), null=True, blank=True)
    status = models.SmallIntegerField(
        _("状态"), choices=MassMessage.Status.choices, default=MassMessage.Status.WAITING
    )
    message_count = models.PositiveSmallIntegerField(_("消息数"), default=0)  # in the outbox; 0 before it is due
    settled_at = models.DateTimeField(_("完成时间"), null=True, blank=True)
    reason = models.CharField(_("原因"), max_length=200, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("群发明细"), pgettext_lazy("plural", "群发明细")
        ordering = ["mass_message", "id"]
        constraints = [
            models.UniqueConstraint(fields=["mass_message", "group"], name="mass_message_once_per_group"),
            models.UniqueConstraint(fields=["group", "minute"], name="one_mass_message_per_group_and_minute"),
            models.CheckConstraint(
                condition=filled_exactly_when(~Q(status=MassMessageStatus.WAITING), "settled_at"),
                name="settled_mass_message_group_has_settled_at",
            ),
            models.CheckConstraint(
                condition=~Q(status=MassMessageStatus.SENT) | Q(message_count__gt=0),
                name="mass_message_is_sent_by_messages",
            ),
            models.CheckConstraint(
                condition=~Q(status=MassMessageStatus.FAILED) | filled(texts=["reason"]),
                name="failed_mass_message_group_has_a_reason",
            ),
            models.CheckConstraint(
                condition=filled("minute") | Q(status=MassMessageStatus.RECALLED),
                name="mass_message_keeps_its_minute_until_recalled",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group} {self.get_status_display()}"
