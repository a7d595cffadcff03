"""Keywords that robots answer in users' groups."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from config.platform.constraints import filled_together
from groups.models import Group


class KeywordBatch(models.Model):
    """Keywords of a user for several groups, with one reply."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="keyword_batches", verbose_name=_("用户")
    )
    keywords = models.JSONField(_("关键字"))  # as the user wrote them, in that order
    reply_content = models.CharField(_("回复内容"), max_length=1000)
    trigger_count = models.PositiveIntegerField(_("触发次数"), default=0)
    created_at = models.DateTimeField(_("创建时间"))
    folded = ArrayField(models.CharField(max_length=96), default=list, db_default=[], editable=False)  # as compared
    # An operator has paused the batch: robots do not answer its keywords. The user may change it, and sees no difference.
    paused_at = models.DateTimeField(_("停用时间"), null=True, blank=True)
    paused_by = models.CharField(_("停用人"), max_length=80, blank=True, db_default="")
    pause_reason = models.CharField(_("停用原因"), max_length=200, blank=True, db_default="")

    class Meta:
        verbose_name, verbose_name_plural = _("关键字"), pgettext_lazy("plural", "关键字")
        permissions = [("pause_keywordbatch", "停用和恢复关键字")]
        ordering = ["-created_at", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(reply_content=""), name="keyword_batch_replies_something"),
            models.CheckConstraint(
                condition=filled_together("paused_at", texts=["paused_by", "pause_reason"]),
                name="paused_keyword_batch_has_person_and_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "id"], name="keyword_batches_of_user"),
            models.Index(fields=["-created_at", "id"], name="keyword_batches_newest_first"),
            # the back office: batches with a keyword, and paused batches
            GinIndex(fields=["folded"], name="keyword_batches_by_keyword", fastupdate=False),
            models.Index(
                fields=["-created_at", "id"], condition=Q(paused_at__isnull=False), name="keyword_batches_paused"
            ),
        ]

    def __str__(self) -> str:
        return "、".join(map(str, self.keywords[:5]))


class GroupKeyword(models.Model):
    """A keyword in a group, in its comparable form; a group has each keyword once."""

    batch = models.ForeignKey(KeywordBatch, models.CASCADE, related_name="group_keywords")
    group = models.ForeignKey(
        Group, models.CASCADE, related_name="keywords", db_index=False
    )  # the constraint has one
    folded = models.CharField(max_length=96)  # as `config.platform.characters.comparable` writes it

    class Meta:
        verbose_name, verbose_name_plural = _("群关键字"), pgettext_lazy("plural", "群关键字")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["group", "folded"], name="keyword_once_per_group"),
            models.CheckConstraint(condition=~Q(folded=""), name="keyword_is_not_empty"),
        ]

    def __str__(self) -> str:
        return self.folded


class KeywordReply(models.Model):
    """The time of the last reply of a batch to a speaker, who gets at most one in ten seconds."""

    batch = models.ForeignKey(KeywordBatch, models.CASCADE, related_name="replies")
    speaker_code = models.CharField(max_length=128)
    replied_at = models.DateTimeField()

    class Meta:
        verbose_name, verbose_name_plural = _("关键字回复"), pgettext_lazy("plural", "关键字回复")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "speaker_code"], name="one_clock_per_batch_and_speaker")
        ]
        indexes = [models.Index(fields=["replied_at"], name="replies_by_moment")]

    def __str__(self) -> str:
        return self.speaker_code
