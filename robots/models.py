"""Robots, their quotas, scans and friendships, and the outbox with its attempts."""

import uuid
from typing import Any, TypeAlias

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import empty, filled, filled_exactly_when, filled_together
from config.platform.dates import shanghai_time
from config.platform.lookups import id_or_code

MAX_GROUPS = 30  # groups a robot serves at most
MAX_GROUPS_A_DAY = 15


class RobotQuerySet(models.QuerySet["Robot"]):
    def by_reference(self, reference: object) -> "RobotQuerySet":
        """Return the robot with this id or gateway code."""
        return self.filter(id_or_code(reference))

    def met_by(self, user: Any) -> "RobotQuerySet":
        """Return the working robots that this user added or was last shown."""
        known = Q(friendships__user=user)
        if user.union_id:
            known |= Q(scans__union_id=user.union_id)
        return self.filter(known, status__in=Robot.WORKING).distinct().order_by("-created_at", "id")

    def assignable(self) -> "RobotQuerySet":
        return self.filter(status=Robot.Status.ASSIGNABLE)


class RobotStatus(models.IntegerChoices):
    ASSIGNABLE = 1, _("可分配")
    UNASSIGNABLE = 2, _("不可分配")
    REMOVED = 3, _("已移除")
    BANNED = 5, _("已封号")


class Robot(models.Model):
    """A WeChat account that the gateway drives."""

    Status: TypeAlias = RobotStatus

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.CharField(_("网关编号"), max_length=128, unique=True)
    name = models.CharField(_("名字"), max_length=128)
    wechat_no = models.CharField(_("微信号"), max_length=128, blank=True)
    avatar_url = models.CharField(_("头像"), max_length=1024, blank=True)
    qr_code_url = models.CharField(_("二维码"), max_length=1024, blank=True)
    channel = models.CharField(_("渠道"), max_length=64, blank=True)
    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.ASSIGNABLE)
    group_count = models.PositiveSmallIntegerField(_("服务群数"), default=0)
    created_at = models.DateTimeField(_("创建时间"), auto_now_add=True)
    banned_at = models.DateTimeField(_("封号时间"), null=True, blank=True)
    # The gateway names only the new robot. Which robot it replaces follows from the groups whose owners are informed.
    replaced_by = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="replaced_robots",
        verbose_name=_("接替的机器人"),
    )
    replaced_at = models.DateTimeField(_("接替时间"), null=True, blank=True)

    # The statuses in which a robot sends messages and serves groups.
    WORKING = (Status.ASSIGNABLE, Status.UNASSIGNABLE)

    objects = RobotQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("机器人")
        permissions = [("assign_robot", "设置机器人可否分配")]
        ordering = ["-created_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(group_count__lte=MAX_GROUPS), name="robot_serves_at_most_30_groups"),
            models.CheckConstraint(
                condition=~Q(status=RobotStatus.BANNED) | filled("banned_at"),
                name="banned_robot_has_banned_at",
            ),
            models.CheckConstraint(
                condition=empty("replaced_by", "replaced_at") | filled("replaced_by", "replaced_at", "banned_at"),
                name="replaced_robot_was_banned",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name_and_wechat_no(self) -> str:
        """The robot's name in the back office: with its WeChat number, if that is known."""
        return f"{self.name}({self.wechat_no})" if self.wechat_no else self.name

    @property
    def is_working(self) -> bool:
        """Return whether the robot still sends messages and serves groups."""
        return self.status in self.WORKING


class RobotDay(models.Model):
    """The quota of a robot for one day, and its use. Constraints keep the limits."""

    robot = models.ForeignKey(Robot, models.CASCADE, related_name="days")
    day = models.DateField(_("日期"))
    quota = models.PositiveSmallIntegerField(_("当日配额"), help_text=_("min(15, 零点时剩余群数)"))
    bound_count = models.PositiveSmallIntegerField(_("已绑群数"), default=0)
    shown_count = models.PositiveSmallIntegerField(_("展示人数"), default=0)

    class Meta:
        verbose_name = verbose_name_plural = _("机器人每日配额")
        ordering = ["-day", "id"]
        indexes = [models.Index(fields=["-day", "id"], name="robot_days_newest_first")]
        constraints = [
            models.UniqueConstraint(fields=["robot", "day"], name="one_quota_per_robot_and_day"),
            models.CheckConstraint(condition=Q(quota__lte=MAX_GROUPS_A_DAY), name="quota_is_at_most_15"),
            models.CheckConstraint(condition=Q(bound_count__lte=F("quota")), name="bound_within_quota"),
            models.CheckConstraint(
                condition=Q(shown_count__lte=F("quota") * 3), name="shown_within_three_times_quota"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.bound_count}/{self.quota}"


class Scan(models.Model):
    """A visit of the scan page: the visitor, the user who shared the page, and the robot that was shown."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    union_id = models.CharField(max_length=128, unique=True)
    open_id = models.CharField(max_length=128)
    robot = models.ForeignKey(Robot, models.PROTECT, related_name="scans", verbose_name=_("机器人"))
    inviter = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("分享人"),
    )
    channel = models.CharField(_("渠道"), max_length=64, blank=True)
    scanned_at = models.DateTimeField(_("首次扫码时间"))
    assigned_at = models.DateTimeField(_("分配时间"))

    class Meta:
        verbose_name = verbose_name_plural = _("扫码记录")
        ordering = ["-assigned_at", "id"]
        indexes = [models.Index(fields=["-assigned_at", "id"], name="scans_newest_first")]
        constraints = [
            models.CheckConstraint(condition=~Q(union_id=""), name="scan_has_union_id"),
            models.CheckConstraint(condition=Q(assigned_at__gte=F("scanned_at")), name="robot_assigned_after_scan"),
        ]

    def __str__(self) -> str:
        return self.union_id


class Friendship(models.Model):
    """A user who added a robot as a WeChat friend."""

    robot = models.ForeignKey(Robot, models.CASCADE, related_name="friendships", verbose_name=_("机器人"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="friendships", verbose_name=_("用户")
    )
    befriended_at = models.DateTimeField(_("成为好友时间"))

    class Meta:
        verbose_name = verbose_name_plural = _("好友关系")
        ordering = ["-befriended_at", "id"]
        constraints = [models.UniqueConstraint(fields=["robot", "user"], name="friends_once")]
        indexes = [
            models.Index(fields=["user", "-befriended_at"], name="friendship_latest_first"),
            models.Index(fields=["-befriended_at", "id"], name="friendships_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.robot_id} – {self.user_id}"


class OutboxMessageQuerySet(models.QuerySet["OutboxMessage"]):
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
    message_no = models.UUIDField(_("消息编号"), unique=True, default=uuid.uuid4, editable=False)
    operation = models.CharField(_("操作"), max_length=16, choices=Operation.choices, default=Operation.SEND)
    robot = models.ForeignKey(
        Robot, models.PROTECT, related_name="outbox", verbose_name=_("机器人"), db_index=False
    )
    group_code = models.CharField(_("群编号"), max_length=128, blank=True)
    user_code = models.CharField(_("用户编号"), max_length=128, blank=True)
    chat = models.CharField(max_length=300, editable=False)  # the ordering key
    mentions = models.JSONField(_("提到的人"), default=list, blank=True)  # codes of group members
    content = models.JSONField(
        _("内容"), default=dict
    )  # type content title url desc voice_time, or the parameters of the operation
    cause = models.CharField(_("起因"), max_length=200)  # the source of the message, such as "star:<group id>:<…>"
    dedupe_key = models.CharField(max_length=200, null=True, blank=True, editable=False)  # noqa: DJ001 - few have one

    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.WAITING)
    is_held = models.BooleanField(
        _("暂缓"), default=False
    )  # of a paused launch: not sent until the launch is resumed
    is_sendable = models.GeneratedField(
        expression=models.ExpressionWrapper(Q(status=MessageStatus.WAITING, is_held=False), models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    created_at = models.DateTimeField(_("创建时间"))
    not_before = models.DateTimeField(_("最早发送时间"))
    by_day_only = models.BooleanField(
        default=False, db_default=False, editable=False
    )  # not sent in quiet hours, also when it is tried again
    retry_at = models.DateTimeField(_("下次尝试"))
    lease = models.UUIDField(null=True, editable=False)  # of the sender that has claimed the message
    leased_until = models.DateTimeField(null=True, editable=False)
    try_count = models.PositiveSmallIntegerField(_("尝试次数"), default=0)
    settled_at = models.DateTimeField(_("完成时间"), null=True, blank=True)
    reason = models.CharField(_("原因"), max_length=200, blank=True)

    objects = OutboxMessageQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = _("发件箱")
        permissions = [("retry_outboxmessage", "重发消息")]
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=filled_exactly_when(~Q(status=MessageStatus.WAITING), "settled_at"),
                name="settled_message_has_settled_at",
            ),
            models.CheckConstraint(
                condition=filled_together("lease", "leased_until"),
                name="leased_message_has_an_end",
            ),
            models.CheckConstraint(
                condition=~Q(group_code="") | ~Q(user_code=""), name="message_is_addressed_to_somebody"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[MessageStatus.FAILED, MessageStatus.CLOSED]) | filled(texts=["reason"]),
                name="unsent_message_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(is_held=False) | Q(status__in=[MessageStatus.WAITING, MessageStatus.FAILED]),
                name="only_unsent_messages_are_held",
            ),
            models.UniqueConstraint(
                fields=["dedupe_key"], condition=Q(dedupe_key__isnull=False), name="dedupe_key_is_used_once"
            ),
        ]
        indexes = [
            # senders: waiting messages in their order; the first of each chat, by a condition that no other index has
            models.Index(
                fields=["id"],
                condition=Q(status=MessageStatus.WAITING, is_held=False),
                name="outbox_sendable_by_id",
            ),
            models.Index(
                fields=["chat", "id"],
                include=["not_before"],
                condition=Q(is_sendable=True),
                name="outbox_sendable_by_chat",
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
            BrinIndex(fields=["settled_at"], name="outbox_by_settling", pages_per_range=32, autosummarize=True),
            # the messages of a launch, and of a launch in one group
            models.Index(fields=["cause", "group_code"], name="outbox_by_cause"),
        ]

    def __str__(self) -> str:
        return str(self.message_no)


class MessageAttempt(models.Model):
    """An attempt to have a message executed, with the gateway's answer."""

    class Outcome(models.TextChoices):
        DONE = "done", _("成功")
        REFUSED = "refused", _("拒绝")
        UNAVAILABLE = "unavailable", _("不可用")
        UNKNOWN = "unknown", _("结果未知")

    # The constraint below has the index. There is no foreign key constraint, because the statement that inserts an
    # attempt updates its message too, and the check of the key was a third of the statement's cost.
    message = models.ForeignKey(
        OutboxMessage, models.CASCADE, related_name="attempts", db_index=False, db_constraint=False
    )
    lease = models.UUIDField(db_default=RandomUUID(), editable=False)  # the lease under which it was made
    outcome = models.CharField(_("结果"), max_length=16, choices=Outcome.choices)
    answer = models.CharField(_("网关回答"), max_length=500, blank=True)
    tried_at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = verbose_name_plural = _("发送记录")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["message", "lease"], name="one_try_per_claim")]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} {shanghai_time(self.tried_at)}"
