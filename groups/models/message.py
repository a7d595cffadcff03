"""Messages in groups, stored for a week, and mentions of the owner in them."""

import uuid

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.dates import shanghai_time
from groups.models.group import Group
from integrations.gateway.payloads import summary_of


class GroupMessage(models.Model):
    """A message in a group, as the gateway reported it. Ids sort by arrival (`groups.messages.id_by_arrival`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    group = models.ForeignKey(Group, models.CASCADE, related_name="messages", verbose_name=_("群"))
    message_no = models.CharField(_("消息编号"), max_length=128, blank=True)
    sender_code = models.CharField(_("发送人编号"), max_length=128)
    is_robot = models.BooleanField(_("机器人发送"), default=False)
    content = models.JSONField(_("内容"), default=dict)  # type content title desc url voice_time
    sent_at = models.DateTimeField(_("发送时间"))

    class Meta:
        verbose_name, verbose_name_plural = _("群消息"), pgettext_lazy("plural", "群消息")
        ordering = ["-sent_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "message_no"], condition=~Q(message_no=""), name="message_once_per_group"
            ),
            models.CheckConstraint(condition=~Q(sender_code=""), name="message_has_a_sender"),
        ]
        indexes = [
            models.Index(fields=["group", "sent_at", "id"], name="messages_of_group"),  # context
            # roll-up and retention select whole days; rows are stored in the order of time, so a BRIN index is enough
            BrinIndex(fields=["sent_at"], name="messages_by_moment", pages_per_range=32),
        ]

    def __str__(self) -> str:
        return f"{self.summary[:30]} {shanghai_time(self.sent_at)}"

    @property
    def summary(self) -> str:
        return summary_of(self.content)


class Mention(models.Model):
    """A message that mentions the user for whom the group is served, its robot, or everybody."""

    message = models.OneToOneField(
        GroupMessage, models.CASCADE, primary_key=True, related_name="mention", verbose_name=_("群消息")
    )
    group = models.ForeignKey(Group, models.CASCADE, related_name="mentions", verbose_name=_("群"))
    # The group's user, for whom the mentions of all groups are listed together.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False, editable=False
    )
    mentioned_at = models.DateTimeField(_("时间"))
    read_at = models.DateTimeField(_("已读时间"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("@消息"), pgettext_lazy("plural", "@消息")
        ordering = ["-mentioned_at", "-message_id"]
        indexes = [
            # GET /alt_msg: counted from the index alone
            models.Index(fields=["user", "-mentioned_at", "-message"], include=["group"], name="mentions_of_user"),
            # the back office: all mentions, and the unread ones
            models.Index(fields=["-mentioned_at", "-message"], name="mentions_newest_first"),
            models.Index(
                fields=["-mentioned_at", "-message"], condition=Q(read_at__isnull=True), name="mentions_unread"
            ),
        ]

    def __str__(self) -> str:
        return gettext("@消息 %s") % shanghai_time(self.mentioned_at)
