"""The inbox of gateway events, the list of sensitive words, and text messages in bulk."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q


class GatewayEvent(models.Model):
    """One event as the gateway told it. Events of one lane are handled in the order of `id`."""

    class Status(models.IntegerChoices):
        WAITING = 0, "待处理"
        HANDLED = 1, "已处理"
        IGNORED = 2, "已忽略"
        UNKNOWN = 3, "未知命令"
        FAILED = 4, "处理失败"
        REFUSED = 5, "已拒收"  # no event; kept so that operators see what the gateway sends

    id = models.BigAutoField(primary_key=True)
    event_id = models.CharField("事件编号", max_length=128, unique=True)
    command = models.CharField("命令", max_length=64)
    body = models.JSONField("内容")
    # Whose order matters: "g:<group>", "u:<user>", "r:<robot>", "bans" or "" (no order).
    lane = models.CharField("次序", max_length=160)
    # A second lane whose earlier events come first too (the user who pulls a robot into a group).
    after_lane = models.CharField(max_length=160, blank=True)
    status = models.SmallIntegerField("状态", choices=Status.choices, default=Status.WAITING)
    received_at = models.DateTimeField("收到时间")
    try_count = models.PositiveSmallIntegerField("尝试次数", default=0)
    retry_at = models.DateTimeField("下次处理")
    settled_at = models.DateTimeField("处理时间", null=True, blank=True)
    note = models.TextField("说明", blank=True)  # why it was ignored, or the traceback

    class Meta:
        verbose_name = verbose_name_plural = "网关事件"
        permissions = [("replay_gatewayevent", "重新处理事件")]
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status=0, settled_at__isnull=True) | (~Q(status=0) & Q(settled_at__isnull=False)),
                name="settled_event_has_settled_at",
            ),
            models.CheckConstraint(condition=Q(retry_at__gte=F("received_at")), name="event_retried_after_it_came"),
        ]
        indexes = [
            # handle_events: the head of each lane
            models.Index(fields=["lane", "id"], condition=Q(status=0), name="event_waiting_by_lane"),
            models.Index(fields=["id"], condition=Q(status=0), name="event_waiting_by_id"),
            # operators: what needs a hand
            models.Index(fields=["status", "-id"], name="event_by_status"),
            # retention goes by days; events come in their order, so a summary of blocks is enough
            BrinIndex(fields=["received_at"], name="events_by_moment", pages_per_range=32),
        ]

    def __str__(self) -> str:
        return f"{self.command} {self.event_id}"


class SensitiveWordImport(models.Model):
    """A file of sensitive words that was taken in. The words that it brought can be taken out of the list again."""

    file_name = models.CharField("文件名", max_length=200, blank=True)
    imported_at = models.DateTimeField("导入时间")
    imported_by = models.CharField("导入人", max_length=80)
    word_count = models.PositiveIntegerField("新增词数", default=0)
    undone_at = models.DateTimeField("撤销时间", null=True, blank=True)
    undone_by = models.CharField("撤销人", max_length=80, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "敏感词导入"
        ordering = ["-id"]
        permissions = [("undo_sensitivewordimport", "撤销敏感词导入")]
        constraints = [
            models.CheckConstraint(
                condition=Q(undone_at=None, undone_by="") | (Q(undone_at__isnull=False) & ~Q(undone_by="")),
                name="undone_import_has_undone_by",
            )
        ]

    def __str__(self) -> str:
        return self.file_name


class SensitiveWord(models.Model):
    """A word that nicknames, welcomes, keywords and mass messages may not contain; operators edit the list."""

    word = models.CharField("敏感词", max_length=64, unique=True)
    created_at = models.DateTimeField("添加时间", auto_now_add=True)
    word_import = models.ForeignKey(
        SensitiveWordImport,
        models.SET_NULL,
        related_name="words",
        null=True,
        blank=True,
        editable=False,
        verbose_name="来自导入",
    )

    class Meta:
        verbose_name = verbose_name_plural = "敏感词"
        ordering = ["word"]
        constraints = [models.CheckConstraint(condition=~Q(word=""), name="sensitive_word_is_a_word")]

    def __str__(self) -> str:
        return self.word


class TextMessage(models.Model):
    """One SMS of a batch. From `sending` on it may have arrived, so it is never sent again."""

    class Status(models.IntegerChoices):
        WAITING = 0, "待发送"
        SENDING = 1, "发送中"
        SENT = 2, "已发送"
        FAILED = 3, "失败"
        UNKNOWN = 4, "结果未知"

    id = models.BigAutoField(primary_key=True)
    batch = models.UUIDField("批次")
    phone = models.CharField("手机号", max_length=11)
    content = models.CharField("内容", max_length=500)
    status = models.SmallIntegerField("状态", choices=Status.choices, default=Status.WAITING)
    created_at = models.DateTimeField("创建时间")
    retry_at = models.DateTimeField("下次尝试")
    try_count = models.PositiveSmallIntegerField("尝试次数", default=0)
    settled_at = models.DateTimeField("完成时间", null=True, blank=True)
    reason = models.CharField("原因", max_length=200, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "群发短信"
        permissions = [("retry_textmessage", "重发短信")]
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "phone"], name="each_number_once_per_batch"),
            models.CheckConstraint(
                condition=Q(status__in=[0, 1], settled_at__isnull=True)
                | (~Q(status__in=[0, 1]) & Q(settled_at__isnull=False)),
                name="settled_text_has_settled_at",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(status__in=[0, 1]), name="texts_under_way"),
            # the back office: what one number was sent, what went wrong, and days
            models.Index(fields=["phone", "-id"], name="texts_of_phone"),
            models.Index(fields=["status", "-id"], condition=Q(status__in=[3, 4]), name="texts_not_sent"),
            BrinIndex(fields=["created_at"], name="texts_by_moment", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.phone[:3]}****{self.phone[-4:]}"
