"""Members of groups."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from groups.models.group import Group


class Member(models.Model):
    """A person in a group, as the gateway last reported."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="members", verbose_name=_("群"))
    code = models.CharField(_("成员编号"), max_length=128)
    nickname = models.CharField(_("昵称"), max_length=128, blank=True)
    avatar_url = models.CharField(_("头像"), max_length=1024, blank=True)
    is_admin = models.BooleanField(_("管理员"), default=False)
    joined_at = models.DateTimeField(_("进群时间"))
    left_at = models.DateTimeField(_("退群时间"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("群成员"), pgettext_lazy("plural", "群成员")
        ordering = ["group_id", "joined_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["group", "code"], name="member_once_per_group"),
            models.CheckConstraint(
                condition=Q(left_at__isnull=True) | Q(left_at__gte=F("joined_at")),
                name="member_leaves_after_joining",
            ),
        ]
        indexes = [
            models.Index(fields=["group"], condition=Q(left_at__isnull=True), name="present_members"),
            # the back office's filter: most members are present
            models.Index(fields=["-id"], condition=Q(left_at__isnull=False), name="members_who_left"),
        ]

    def __str__(self) -> str:
        return self.nickname or self.code
