"""Launches: content of advertisers, and its delivery to each group."""

import uuid
from typing import Any, TypeAlias

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import empty, filled, filled_exactly_when, filled_together
from config.platform.dates import shanghai_time
from config.platform.lookups import has_id
from config.platform.queues import Job, JobStatus
from groups.models import Group
from robots.models import OutboxMessage, Source, SourceType


class LaunchItemType(models.IntegerChoices):
    """Types of content, in the launch system's numbers (the gateway's numbers are in `MessageType`)."""

    TEXT = 1, _("文字")
    IMAGE = 2, _("图片")
    LINK = 3, _("链接")
    MINI_PROGRAM = 4, _("小程序")


class LaunchQuerySet(models.QuerySet["Launch"]):
    def by_reference(self, reference: str) -> "LaunchQuerySet":
        """Return the launch with this id or this task id."""
        return self.filter(has_id(reference) | Q(task_id=reference))


class LaunchStatus(models.IntegerChoices):
    RUNNING = 1, _("投放中")
    PAUSED = 2, _("已暂停")
    CANCELLED = 3, _("已取消")
    FINISHED = 4, _("已完成")


class Launch(models.Model):
    """Content for many groups, received once. Its counts change in the transactions that change its deliveries."""

    Status: TypeAlias = LaunchStatus

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    task_id = models.CharField(_("任务编号"), max_length=128, unique=True)
    fingerprint = models.CharField(max_length=64, editable=False)  # of content and groups: finds a repeated call
    items = models.JSONField(_("内容"))  # as received: type title content filePath url
    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.RUNNING)
    received_at = models.DateTimeField(_("接收时间"))
    received_by = models.CharField(_("来源"), max_length=80)

    planned_count = models.PositiveIntegerField(_("群数"), default=0)
    sent_count = models.PositiveIntegerField(_("已发送"), default=0)
    failed_count = models.PositiveIntegerField(_("失败"), default=0)
    skipped_count = models.PositiveIntegerField(_("跳过"), default=0)

    paused_at = models.DateTimeField(_("暂停时间"), null=True, blank=True)
    paused_by = models.CharField(_("暂停人"), max_length=80, blank=True)
    cancelled_at = models.DateTimeField(_("取消时间"), null=True, blank=True)
    cancelled_by = models.CharField(_("取消人"), max_length=80, blank=True)
    cancel_reason = models.CharField(_("取消原因"), max_length=200, blank=True)
    finished_at = models.DateTimeField(_("完成时间"), null=True, blank=True)

    objects = LaunchQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("投放"), pgettext_lazy("plural", "投放")
        permissions = [
            ("receive_launch", "接收投放"),
            ("pause_launch", "暂停投放"),
            ("resume_launch", "恢复投放"),
            ("cancel_launch", "取消投放"),
        ]
        ordering = ["-received_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(planned_count__gte=F("sent_count") + F("failed_count") + F("skipped_count")),
                name="no_more_deliveries_end_than_were_planned",
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True)
                | Q(planned_count=F("sent_count") + F("failed_count") + F("skipped_count")),
                name="finished_launch_has_nothing_waiting",
            ),
            models.CheckConstraint(
                condition=~Q(status=LaunchStatus.FINISHED) | filled("finished_at"),
                name="finished_launch_has_finished_at",
            ),
            models.CheckConstraint(
                condition=~Q(status=LaunchStatus.PAUSED) | filled("paused_at", texts=["paused_by"]),
                name="paused_launch_has_moment_and_person",
            ),
            models.CheckConstraint(
                condition=filled_exactly_when(
                    Q(status=LaunchStatus.CANCELLED), "cancelled_at", texts=["cancelled_by"]
                )
                & (~Q(status=LaunchStatus.CANCELLED) | filled(texts=["cancel_reason"])),
                name="cancelled_launch_has_moment_person_and_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["-received_at", "id"], name="launches_newest_first"),
            # the back office: unfinished launches; most are finished
            models.Index(
                fields=["status", "-received_at", "id"],
                condition=~Q(status=LaunchStatus.FINISHED),
                name="launches_not_finished",
            ),
        ]

    def __str__(self) -> str:
        return self.summary[:30] or gettext("%s 的投放") % shanghai_time(self.received_at)

    @property
    def summary(self) -> str:
        """Return the first text of its items, or the kind and title of its first item."""
        items = [item for item in self.items if isinstance(item, dict)]
        text = next((str(item["content"]) for item in items if item.get("type") == LaunchItemType.TEXT), "")
        kinds = (f"[{LaunchItemType(item['type']).label}] {item.get('title') or ''}" for item in items)
        return (text or next(kinds, "")).strip()[:60]

    @property
    def waiting_count(self) -> int:
        """Return the number of deliveries that wait."""
        return self.planned_count - self.sent_count - self.failed_count - self.skipped_count

    @property
    def source(self) -> Source:
        """Return the source of its messages in the outbox."""
        return Source(SourceType.LAUNCH, str(self.pk))


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def to_groups_of(self, user: Any) -> "DeliveryQuerySet":
        """Return the deliveries to the groups of this user, without skipped ones."""
        return self.filter(user=user).exclude(status=Delivery.Status.SKIPPED)


class DeliveryStatus(models.IntegerChoices):
    WAITING = 0, _("待发送")
    SENT = 1, _("已发送")
    FAILED = 2, _("失败")
    SKIPPED = 3, _("跳过")


class Delivery(models.Model):
    """A launch in one group: one or more messages of the outbox, found there by the launch and the group.

    It is sent when all its messages are, failed as soon as one has failed, skipped when none is to be sent.
    """

    Status: TypeAlias = DeliveryStatus

    id = models.BigAutoField(primary_key=True)
    launch = models.ForeignKey(
        Launch, models.PROTECT, related_name="deliveries", db_index=False, verbose_name=_("投放")
    )
    group_code = models.CharField(_("群编号"), max_length=128)
    reference = models.CharField(_("投放系统所称"), max_length=128)  # id or code; results are reported under it
    group = models.ForeignKey(
        Group, models.PROTECT, null=True, blank=True, related_name="deliveries", verbose_name=_("群")
    )
    user = models.ForeignKey(  # for whom the group was served when the launch was received
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("用户"),
    )
    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.WAITING)
    settled_at = models.DateTimeField(_("完成时间"), null=True, blank=True)
    reason = models.CharField(_("原因"), max_length=200, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("投放明细"), pgettext_lazy("plural", "投放明细")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["launch", "group_code"], name="one_delivery_per_launch_and_group"),
            models.CheckConstraint(
                condition=filled_exactly_when(~Q(status=DeliveryStatus.WAITING), "settled_at"),
                name="settled_delivery_has_settled_at",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[DeliveryStatus.FAILED, DeliveryStatus.SKIPPED]) | filled(texts=["reason"]),
                name="unsent_delivery_has_a_reason",
            ),
            models.CheckConstraint(
                condition=filled("group", "user")
                | empty("group", "user") & Q(status__in=[DeliveryStatus.FAILED, DeliveryStatus.SKIPPED]),
                name="delivery_to_no_group_has_ended",
            ),
        ]
        indexes = [
            # GET /launch/history
            models.Index(
                fields=["user", "launch"], condition=~Q(status=DeliveryStatus.SKIPPED), name="deliveries_of_user"
            ),
            # the back office: failed and skipped deliveries; most are sent
            models.Index(
                fields=["status", "-id"],
                condition=Q(status__in=[DeliveryStatus.FAILED, DeliveryStatus.SKIPPED]),
                name="deliveries_not_sent",
            ),
            # the back office: deliveries that ended on a day
            BrinIndex(fields=["settled_at"], name="deliveries_by_ending", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return str(self.group or self.group_code)

    def messages(self) -> models.QuerySet[OutboxMessage]:
        """Return its messages in the outbox, in order."""
        return OutboxMessage.objects.of_source(self.launch.source).filter(group_code=self.group_code).order_by("pk")


class ResultReport(Job):
    """The job that reports the result of an ended delivery to the launch system, again when the result changes.

    The delivery is locked before its report.
    """

    worker_task = "launches.tasks.report_results"

    delivery = models.OneToOneField(
        Delivery, models.CASCADE, primary_key=True, related_name="report", verbose_name=_("投放明细")
    )
    is_sent = models.BooleanField(_("回报为已发送"), null=True, blank=True)  # the last accepted result …
    reported_at = models.DateTimeField(_("回报时间"), null=True, blank=True)  # … and when it was accepted

    class Meta(Job.Meta):
        verbose_name, verbose_name_plural = _("投放结果回报"), pgettext_lazy("plural", "投放结果回报")
        permissions = [("retry_resultreport", "重试结果回报")]
        ordering = ["-delivery_id"]
        constraints = [
            *Job.Meta.constraints,
            models.CheckConstraint(
                condition=filled_together("is_sent", "reported_at"), name="accepted_result_has_its_moment"
            ),
            models.CheckConstraint(
                condition=~Q(status=JobStatus.DONE) | filled("reported_at"), name="done_report_was_accepted"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at", "delivery"], condition=Q(finished_at__isnull=True), name="reports_due"
            ),
            # the back office: the reports of a status; most are done
            models.Index(
                fields=["status", "-delivery"], condition=~Q(status=JobStatus.DONE), name="reports_not_done"
            ),
            # the page of queues: what was finished lately
            BrinIndex(fields=["finished_at"], name="reports_by_finish", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return gettext("%s 的结果回报") % self.delivery
