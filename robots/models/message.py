"""Models of the outbox: messages and their attempts."""

import re
import uuid
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import NamedTuple, TypeAlias

from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q, Value
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from config.platform.constraints import filled, filled_exactly_when, filled_together
from config.platform.dates import shanghai_time
from integrations.gateway.payloads import summary_of
from robots.models.robot import Robot

_SHORT_LINK = re.compile(r"/s/[\w-]+", re.ASCII)


class SourceType(models.TextChoices):
    """The types of what causes messages. A `source_id` is the key of a row, or the `event_id` of a gateway event."""

    LAUNCH = "launch", _("投放")
    MASS_MESSAGE = "mass_message", _("群发")
    MASS_RECALL = "mass_recall", _("撤回群发")  # the id is that of the mass message
    STAR = "star", _("星级评定")  # of groups of this user
    REMINDER = "reminder", _("唤醒")  # of this user
    MENTION = "mention", _("被@通知")  # in this group message
    MENTION_REPLY = "mention_reply", _("回复@消息")  # in this group
    GROUP_CANCELLED = "group_cancelled", _("群注销")
    PULL_BACK = "pull_back", _("拉回群里")  # into this group
    PROBLEM = "problem", _("问题反馈")
    CUSTOMER_SERVICE = "customer_service", _("客服")  # for this user
    PAYOUT = "payout", _("打款")
    # gateway events
    ROBOT_ADDED = "robot_added", _("添加机器人")
    WAIT_FOR_BIND = "wait_for_bind", _("机器人进群")
    BIND_GROUP_SUCCESS = "bind_group_success", _("群绑定")
    ROBOT_JOIN_FAILED = "robot_join_failed", _("进群失败")
    JOIN_GROUP = "join_group", _("新成员进群")
    KEYWORD = "keyword", _("关键字回复")
    PRIVATE_MESSAGE = "private_message", _("私聊消息")
    ABNORMAL_ROBOT_REPLACED = "abnormal_robot_replaced", _("机器人接替")


class Source(NamedTuple):
    """The row or event that causes a message."""

    type: SourceType
    id: str


def written_for(sources: Iterable[Source]) -> Q:
    """Return the condition that a message was written for one of these sources."""
    ids: dict[SourceType, list[str]] = {}
    for source in sources:
        ids.setdefault(source.type, []).append(source.id)
    conditions = (Q(source_type=source_type, source_id__in=same) for source_type, same in ids.items())
    return reduce(or_, conditions, Q(pk__in=[]))


class OutboxMessageQuerySet(models.QuerySet["OutboxMessage"]):
    def of_source(self, source: Source) -> "OutboxMessageQuerySet":
        """Return the messages that were written for this source."""
        return self.filter(written_for([source]))

    def waiting(self) -> "OutboxMessageQuerySet":
        """Return the waiting messages, paused or not."""
        return self.filter(status=OutboxMessage.Status.WAITING)

    def unsent(self) -> "OutboxMessageQuerySet":
        """Return the messages that may still be sent: the waiting ones, and the failed ones, which may be retried."""
        return self.filter(status__in=[OutboxMessage.Status.WAITING, OutboxMessage.Status.FAILED])

    def failed(self) -> "OutboxMessageQuerySet":
        """Return the messages that failed five times and that no operator has retried or closed yet."""
        return self.filter(status=OutboxMessage.Status.FAILED)


class MessageOperation(models.TextChoices):
    SEND = "send", _("发消息")
    RECALL = "recall", _("撤回")
    BIND_GROUP = "bind_group", _("绑定群")
    UNBIND_GROUP = "unbind_group", _("解绑群")
    SYNC_MEMBERS = "sync_members", _("同步成员")


class MessageStatus(models.IntegerChoices):
    WAITING = 0, _("待发送")
    SENT = 1, _("已发送")
    FAILED = 2, _("发送失败")
    CLOSED = 3, _("已取消")


class OutboxMessage(models.Model):
    """A message to send, or another request to the gateway, written in the transaction that causes it.

    The gateway executes a `message_no` once, however often it comes.
    """

    Operation: TypeAlias = MessageOperation

    Status: TypeAlias = MessageStatus

    id = models.BigAutoField(primary_key=True)
    message_no = models.UUIDField(
        _("消息编号"), unique=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    operation = models.CharField(_("操作"), max_length=16, choices=Operation.choices, db_default=Operation.SEND)
    robot = models.ForeignKey(
        Robot, models.PROTECT, related_name="outbox", verbose_name=_("机器人"), db_index=False
    )
    group_code = models.CharField(_("群编号"), max_length=128, blank=True, db_default="")
    user_code = models.CharField(_("用户编号"), max_length=128, blank=True, db_default="")
    ordering_key = models.CharField(max_length=300, editable=False)  # messages of one key are sent in order
    mentions = models.JSONField(
        _("提到的人"), db_default=Value([], models.JSONField()), blank=True
    )  # codes of group members
    content = models.JSONField(
        _("内容"), default=dict
    )  # type content title url desc voice_time, or the parameters of the operation
    source_type = models.CharField(_("来源"), max_length=32, choices=SourceType.choices)
    source_id = models.CharField(_("来源编号"), max_length=128)  # the row's id, or the event's `event_id`
    idempotency_key = models.CharField(max_length=200, null=True, blank=True, editable=False)  # noqa: DJ001 - few have one

    status = models.SmallIntegerField(_("状态"), choices=Status.choices, db_default=Status.WAITING)
    is_held = models.BooleanField(
        _("暂缓"), db_default=False
    )  # of a paused launch: not sent until the launch is resumed
    is_sendable = models.GeneratedField(
        expression=models.ExpressionWrapper(Q(status=MessageStatus.WAITING, is_held=False), models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    created_at = models.DateTimeField(_("创建时间"))
    not_before = models.DateTimeField(_("最早发送时间"))
    by_day_only = models.BooleanField(
        db_default=False, editable=False
    )  # not sent in quiet hours, also when it is tried again
    next_attempt_at = models.DateTimeField(_("下次尝试"))
    lease = models.UUIDField(null=True, editable=False)  # of the sender that has claimed the message
    leased_until = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(_("尝试次数"), db_default=0)
    finished_at = models.DateTimeField(_("完成时间"), null=True, blank=True)
    last_error = models.CharField(_("原因"), max_length=200, blank=True, db_default="")

    objects = OutboxMessageQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("发件箱"), pgettext_lazy("plural", "发件箱")
        permissions = [("retry_outboxmessage", "重发消息")]
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=filled_exactly_when(~Q(status=MessageStatus.WAITING), "finished_at"),
                name="finished_message_has_finished_at",
            ),
            models.CheckConstraint(
                condition=filled_together("lease", "leased_until"),
                name="leased_message_has_an_end",
            ),
            models.CheckConstraint(
                condition=~Q(group_code="") | ~Q(user_code=""), name="message_is_addressed_to_somebody"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[MessageStatus.FAILED, MessageStatus.CLOSED])
                | filled(texts=["last_error"]),
                name="unsent_message_has_last_error",
            ),
            models.CheckConstraint(
                condition=Q(is_held=False) | Q(status__in=[MessageStatus.WAITING, MessageStatus.FAILED]),
                name="only_unsent_messages_are_held",
            ),
            models.UniqueConstraint(
                fields=["idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="message_idempotency_key_is_used_once",
            ),
        ]
        indexes = [
            # senders: waiting messages in their order; the first of each ordering key, by a condition that no other index has
            models.Index(
                fields=["id"],
                condition=Q(status=MessageStatus.WAITING, is_held=False),
                name="outbox_sendable_by_id",
            ),
            models.Index(
                fields=["ordering_key", "id"],
                include=["not_before"],
                condition=Q(is_sendable=True),
                name="outbox_sendable_by_key",
            ),
            # closing the unsent messages of a cancelled group or a banned robot
            models.Index(
                fields=["group_code"],
                condition=Q(status__in=[MessageStatus.WAITING, MessageStatus.FAILED]),
                name="outbox_unsent_by_group",
            ),
            models.Index(
                fields=["robot"],
                condition=Q(status__in=[MessageStatus.WAITING, MessageStatus.FAILED]),
                name="outbox_unsent_by_robot",
            ),
            # the back office: failed and closed messages; sent ones, which are most, are listed by id
            models.Index(
                fields=["status", "-id"],
                condition=Q(status__in=[MessageStatus.FAILED, MessageStatus.CLOSED]),
                name="outbox_not_sent",
            ),
            # the back office: other operations than SEND, which is most; and messages by time of creation
            models.Index(
                fields=["operation", "-id"],
                condition=~Q(operation=MessageOperation.SEND),
                name="outbox_other_operations",
            ),
            BrinIndex(fields=["created_at"], name="outbox_by_moment", pages_per_range=32, autosummarize=True),
            # the chart of the dashboard: a BRIN index, which costs the sender next to nothing
            BrinIndex(fields=["finished_at"], name="outbox_by_finishing", pages_per_range=32, autosummarize=True),
            # the messages of a launch, and of a launch in one group
            models.Index(fields=["source_type", "source_id", "group_code"], name="outbox_by_source"),
        ]

    def __str__(self) -> str:
        return self.summary[:40]

    @property
    def summary(self) -> str:
        """Return the operation and the text, without short links, some of which are secret."""
        text = summary_of(self.content) if self.operation == MessageOperation.SEND else self.content.get("reason")
        return _SHORT_LINK.sub("/s/…", f"{self.get_operation_display()} {text or ''}".strip())


class MessageAttempt(models.Model):
    """An attempt to have a message executed, with the gateway's answer."""

    class Outcome(models.TextChoices):
        DONE = "done", _("成功")
        REFUSED = "refused", _("拒绝")  # by the gateway's answer (`integrations.http.Refused`)
        UNAVAILABLE = "unavailable", _("不可用")  # certainly not executed
        UNKNOWN = "unknown", _("结果未知")

    # The constraint below has the index. There is no foreign key constraint, because the statement that inserts an
    # attempt updates its message too, and the check of the key was a third of the statement's cost.
    message = models.ForeignKey(
        OutboxMessage, models.CASCADE, related_name="recorded_attempts", db_index=False, db_constraint=False
    )
    lease = models.UUIDField(db_default=RandomUUID(), editable=False)  # the lease under which it was made
    outcome = models.CharField(_("结果"), max_length=16, choices=Outcome.choices)
    answer = models.CharField(_("网关回答"), max_length=500, blank=True)
    tried_at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name, verbose_name_plural = _("发送记录"), pgettext_lazy("plural", "发送记录")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["message", "lease"], name="one_try_per_claim")]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} {shanghai_time(self.tried_at)}"
