"""Models of robots, their scans and their friendships."""

import uuid
from typing import Any, TypeAlias

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import empty, filled
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
        # Two subqueries: with two joins under one OR, PostgreSQL reads everybody's friendships.
        known = Q(pk__in=Friendship.objects.filter(user=user).values("robot"))
        if user.union_id:
            known |= Q(pk__in=Scan.objects.filter(union_id=user.union_id).values("robot"))
        return self.filter(known, status__in=Robot.WORKING).order_by("-created_at", "id")

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
        verbose_name, verbose_name_plural = _("机器人"), pgettext_lazy("plural", "机器人")
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

    robot = models.ForeignKey(Robot, models.CASCADE, related_name="days", verbose_name=_("机器人"))
    day = models.DateField(_("日期"))
    quota = models.PositiveSmallIntegerField(_("当日配额"), help_text=_("min（15, 零点时剩余群数）"))
    bound_count = models.PositiveSmallIntegerField(_("已绑群数"), default=0)
    shown_count = models.PositiveSmallIntegerField(_("展示人数"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("机器人每日配额"), pgettext_lazy("plural", "机器人每日配额")
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
        values = {"day": self.day, "bound": self.bound_count, "quota": self.quota}
        return gettext("%(day)s 已绑 %(bound)s/%(quota)s 个群") % values


class Scan(models.Model):
    """A visit of the scan page: the visitor, the user who shared the page, and the robot that was shown."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    union_id = models.CharField(_("访客 union_id"), max_length=128, unique=True)
    open_id = models.CharField(_("访客 open_id"), max_length=128)
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
        verbose_name, verbose_name_plural = _("扫码记录"), pgettext_lazy("plural", "扫码记录")
        ordering = ["-assigned_at", "id"]
        indexes = [models.Index(fields=["-assigned_at", "id"], name="scans_newest_first")]
        constraints = [
            models.CheckConstraint(condition=~Q(union_id=""), name="scan_has_union_id"),
            models.CheckConstraint(condition=Q(assigned_at__gte=F("scanned_at")), name="robot_assigned_after_scan"),
        ]

    def __str__(self) -> str:
        return gettext("%s 的扫码") % shanghai_time(self.assigned_at)


class Friendship(models.Model):
    """A user who added a robot as a WeChat friend."""

    robot = models.ForeignKey(Robot, models.CASCADE, related_name="friendships", verbose_name=_("机器人"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="friendships", verbose_name=_("用户")
    )
    befriended_at = models.DateTimeField(_("成为好友时间"))

    class Meta:
        verbose_name, verbose_name_plural = _("好友关系"), pgettext_lazy("plural", "好友关系")
        ordering = ["-befriended_at", "id"]
        constraints = [models.UniqueConstraint(fields=["robot", "user"], name="friends_once")]
        indexes = [
            models.Index(fields=["user", "-befriended_at"], name="friendship_latest_first"),
            models.Index(fields=["-befriended_at", "id"], name="friendships_newest_first"),
        ]

    def __str__(self) -> str:
        return gettext("%(user)s 是 %(robot)s 的好友") % {"user": self.user, "robot": self.robot}
