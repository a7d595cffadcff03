"""Problems that users report, and their conversations with customer service."""

import uuid
from typing import TypeAlias

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import empty, filled_together
from config.platform.dates import shanghai_time
from config.platform.queues import Job
from robots.models import Robot

LONGEST_ANSWER = 1000  # characters


class ProblemType(models.IntegerChoices):
    ROBOT = 2, _("需选择机器人")
    ROBOT_AND_GROUP = 3, _("需选择机器人并填写群名")
    NOTHING = 4, _("无需补充")
    DESCRIPTION = 5, _("需填写描述")


class ProblemCategory(models.Model):
    """A category of problems. Its type determines which fields a report must contain."""

    Type: TypeAlias = ProblemType

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(_("标题"), max_length=100)
    type = models.SmallIntegerField(_("类型"), choices=Type.choices)
    seq_no = models.PositiveSmallIntegerField(_("排序号"))
    is_shown = models.BooleanField(_("显示"), default=True)

    class Meta:
        verbose_name, verbose_name_plural = _("问题分类"), pgettext_lazy("plural", "问题分类")
        ordering = ["seq_no", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(type__in=ProblemType.values), name="category_type_is_known")
        ]

    def __str__(self) -> str:
        return self.title


class Problem(models.Model):
    """A problem that a user reported."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="problems", db_index=False, verbose_name=_("用户")
    )
    category = models.ForeignKey(
        ProblemCategory, models.PROTECT, related_name="problems", db_index=False, verbose_name=_("分类")
    )
    robot = models.ForeignKey(
        Robot,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="problems",
        db_index=False,
        verbose_name=_("机器人"),
    )
    group_name = models.CharField(_("群名"), max_length=200, blank=True)
    description = models.CharField(_("描述"), max_length=1000, blank=True)
    reported_at = models.DateTimeField(_("反馈时间"))
    # The last answer; `ProblemAnswer` holds all of them.
    answer = models.CharField(_("答复"), max_length=LONGEST_ANSWER, blank=True)
    answered_at = models.DateTimeField(_("答复时间"), null=True, blank=True)
    answered_by = models.CharField(_("答复人"), max_length=80, blank=True)
    closed_at = models.DateTimeField(_("关闭时间"), null=True, blank=True)
    closed_by = models.CharField(_("关闭人"), max_length=80, blank=True)
    closed_reason = models.CharField(_("关闭原因"), max_length=200, blank=True)
    assigned_to = models.CharField(_("接手人"), max_length=80, blank=True, db_default="")
    assigned_at = models.DateTimeField(_("接手时间"), null=True, blank=True)

    OPEN = Q(answered_at__isnull=True, closed_at__isnull=True)  # waits for an operator

    class Meta:
        verbose_name, verbose_name_plural = _("问题反馈"), pgettext_lazy("plural", "问题反馈")
        ordering = ["-reported_at", "id"]
        permissions = [("answer_problem", "答复反馈")]
        constraints = [
            models.CheckConstraint(
                condition=filled_together("answered_at", texts=["answered_by", "answer"]),
                name="answered_problem_has_answer_person_and_moment",
            ),
            models.CheckConstraint(
                condition=filled_together("closed_at", texts=["closed_by", "closed_reason"])
                & (empty("closed_at") | empty("answered_at")),
                name="closed_problem_has_person_and_reason_and_no_answer",
            ),
            models.CheckConstraint(
                condition=filled_together("assigned_at", texts=["assigned_to"]),
                name="assigned_problem_has_person_and_moment",
            ),
        ]
        indexes = [
            models.Index(fields=["-reported_at", "id"], name="problems_newest_first"),
            models.Index(fields=["user", "-reported_at", "id"], name="problems_of_user"),
            models.Index(fields=["robot", "-reported_at", "id"], name="problems_of_robot"),
            # problems that wait for an operator
            models.Index(
                fields=["-reported_at", "id"],
                condition=Q(answered_at__isnull=True, closed_at__isnull=True),
                name="problems_open",
            ),
            models.Index(
                fields=["-reported_at", "id"], condition=Q(closed_at__isnull=False), name="problems_closed"
            ),
            # the closed problems in the timeline of a user
            models.Index(
                fields=["user", "-closed_at"],
                condition=Q(closed_at__isnull=False),
                name="problems_of_user_by_closing",
            ),
            models.Index(fields=["category", "-reported_at", "id"], name="problems_of_category"),
            models.Index(fields=["group_name"], opclasses=["varchar_pattern_ops"], name="problems_by_group_name"),
            models.Index(fields=["assigned_to", "-reported_at", "id"], name="problems_of_an_operator"),
        ]

    def __str__(self) -> str:
        return self.description[:30] or gettext("%s 的反馈") % shanghai_time(self.reported_at)


class ProblemAnswer(models.Model):
    """An answer to a problem. `message_no` is the message that brings it to the user; the outbox deletes old ones."""

    problem = models.ForeignKey(Problem, models.CASCADE, related_name="answers", verbose_name=_("问题反馈"))
    text = models.CharField(_("答复"), max_length=LONGEST_ANSWER)
    answered_at = models.DateTimeField(_("答复时间"))
    answered_by = models.CharField(_("答复人"), max_length=80)
    message_no = models.UUIDField(_("消息编号"), unique=True, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("答复"), pgettext_lazy("plural", "答复")
        ordering = ["answered_at", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(answered_by="") & ~Q(text=""), name="answer_has_person_and_text")
        ]

    def __str__(self) -> str:
        return f"{self.answered_by} {shanghai_time(self.answered_at)}"


class StandardReply(models.Model):
    """A text that operators insert into their answers."""

    title = models.CharField(_("标题"), max_length=60, unique=True)
    text = models.TextField(_("内容"), max_length=LONGEST_ANSWER)

    class Meta:
        verbose_name, verbose_name_plural = _("标准答复"), pgettext_lazy("plural", "标准答复")
        ordering = ["title", "id"]

    def __str__(self) -> str:
        return self.title


class Conversation(models.Model):
    """A conversation of a user with customer service; a user has at most one open conversation."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations", verbose_name=_("用户")
    )
    opened_at = models.DateTimeField(_("开始时间"))
    last_message_at = models.DateTimeField(
        _("最近发言时间")
    )  # of the user or of staff; a long silence ends the conversation
    closed_at = models.DateTimeField(_("结束时间"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("客服会话"), pgettext_lazy("plural", "客服会话")
        ordering = ["-opened_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(closed_at__isnull=True), name="one_open_conversation_per_user"
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | Q(closed_at__gte=F("opened_at")),
                name="conversation_ends_after_it_began",
            ),
        ]
        indexes = [
            models.Index(
                fields=["last_message_at"],
                condition=Q(closed_at__isnull=True),
                name="conversations_by_last_message",
            ),
            models.Index(fields=["-opened_at", "-id"], name="conversations_newest_first"),
        ]

    def __str__(self) -> str:
        return gettext("%s 的客服会话") % shanghai_time(self.opened_at)


class ForwardingStatus(models.IntegerChoices):
    WAITING = 0, _("待转发")
    SENT = 1, _("已转发")
    FAILED = 2, _("失败")
    CLOSED = 3, _("已关闭")


class ForwardedMessage(Job):
    """A user's message to staff, forwarded in order and tried until customer service accepts it."""

    Status: TypeAlias = ForwardingStatus
    ordering_field = "conversation"
    worker_task = "feedback.tasks.forward_messages"

    id = models.BigAutoField(primary_key=True)
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="forwarded", verbose_name=_("客服会话")
    )
    message_no = models.UUIDField(_("消息编号"), unique=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("类型"), max_length=16)  # text or image, as customer service names them
    content = models.CharField(_("内容"), max_length=4000)
    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.WAITING)
    written_at = models.DateTimeField(_("发送时间"))

    class Meta(Job.Meta):
        verbose_name, verbose_name_plural = _("转发给客服的消息"), pgettext_lazy("plural", "转发给客服的消息")
        permissions = [("retry_forwardedmessage", "重试转发")]
        ordering = ["-written_at", "-id"]
        constraints = [
            *Job.Meta.constraints,
            models.CheckConstraint(condition=Q(kind__in=["text", "image"]), name="forward_kind_is_known"),
        ]
        indexes = [
            # the forwarder: the messages that are due, and the first open one of each conversation
            models.Index(
                fields=["next_attempt_at", "id"], condition=Q(finished_at__isnull=True), name="forwards_due"
            ),
            models.Index(
                fields=["conversation", "id"], condition=Q(finished_at__isnull=True), name="forwards_open"
            ),
            # the back office: all messages, and those of a status; most are sent
            models.Index(fields=["-written_at", "-id"], name="forwards_newest_first"),
            models.Index(
                fields=["status", "-written_at", "-id"],
                condition=~Q(status=ForwardingStatus.SENT),
                name="forwards_not_sent",
            ),
            # the page of queues: what was finished lately
            BrinIndex(fields=["finished_at"], name="forwards_by_finish", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return gettext("[图片]") if self.kind == "image" else self.content[:30]


class CallbackDigest(models.Model):
    """The digest of a callback that was accepted; it is not accepted again."""

    digest = models.CharField(max_length=40, unique=True)
    accepted_at = models.DateTimeField()

    class Meta:
        verbose_name, verbose_name_plural = _("客服回调"), pgettext_lazy("plural", "客服回调")
        ordering = ["id"]
        indexes = [models.Index(fields=["accepted_at"], name="digests_by_moment")]

    def __str__(self) -> str:
        return self.digest
