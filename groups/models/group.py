"""A WeChat group that a robot serves for a user."""

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from config.platform.constraints import empty, filled, filled_together
from config.platform.lookups import id_or_code
from robots.models import Robot


class CancelReason(models.IntegerChoices):
    """Reasons for which a group is no longer served."""

    ILLEGAL = 1, _("违法")
    POOR_LAUNCHES = 2, _("投放质量差")
    ROBOT_KICKED = 3, _("机器人被踢")
    OPERATOR = 4, _("系统注销")
    TOO_MANY_LOW_STARS = 5, _("低星级超过限制")
    ROBOT_BANNED = 6, _("机器人封号")
    TOO_FEW_MESSAGES = 7, _("发言太少")


PERMANENT_REASONS = (CancelReason.ILLEGAL, CancelReason.POOR_LAUNCHES)  # the group is banned: not bound again


class GroupQuerySet(models.QuerySet["Group"]):
    def active(self) -> "GroupQuerySet":
        return self.filter(cancelled_at__isnull=True)

    def banned(self) -> "GroupQuerySet":
        """Return the bindings because of which a group cannot be bound again."""
        return self.filter(Group.BANNED)

    def by_reference(self, reference: object) -> "GroupQuerySet":
        """Return the group with this id, or the groups with this gateway code."""
        return self.filter(id_or_code(reference))

    def served_for(self, user: User) -> "GroupQuerySet":
        """Return the active groups to which this user added a robot."""
        return self.active().filter(user=user)

    def owned_in_wechat_by(self, user: User) -> "GroupQuerySet":
        """Return the active groups, served for any user, whose WeChat owner is this user."""
        return self.active().filter(wechat_owner_code=user.code) if user.code else self.none()

    def own_of(self, user: User) -> "GroupQuerySet":
        """Return the active groups that are served for the user or owned by the user in WeChat."""
        return self.active().filter(Q(user=user) | Q(wechat_owner_code=user.code or "-"))

    def to_pull_back_for(self, user: User) -> "GroupQuerySet":
        """Return the user's groups that a robot serves, or served until it was kicked, the latest binding first."""
        served = Q(cancelled_at__isnull=True) | Q(cancel_reason=CancelReason.ROBOT_KICKED)
        return self.filter(served, user=user).select_related("robot", "user").order_by("-bound_at", "pk")

    def rated(self) -> "GroupQuerySet":
        """Return the groups that earn: rated groups, and legacy groups from before ratings."""
        return self.filter(Q(star__isnull=False) | Q(is_legacy=True))

    def unrated(self) -> "GroupQuerySet":
        return self.filter(star__isnull=True, is_legacy=False)

    def with_list_status(self, status: int) -> "GroupQuerySet":
        """Return the groups of one of the user's two lists (1 rated, 0 unrated), or no group for any other number."""
        return {0: self.unrated(), 1: self.rated()}.get(status, self.none())


class Group(models.Model):
    """A service period of a group, from the binding of a robot to the cancelling.

    A group bound again after a cancelling is a new row, which carries over the number of days that were paid.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.CharField(_("网关编号"), max_length=128)
    name = models.CharField(_("群名"), max_length=200, blank=True)
    robot = models.ForeignKey(Robot, models.PROTECT, related_name="groups", verbose_name=_("机器人"))
    robot_nickname = models.CharField(_("机器人群昵称"), max_length=30, blank=True)
    robot_is_in = models.BooleanField(_("机器人在群"), default=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="served_groups",
        db_index=False,
        verbose_name=_("用户"),
    )
    wechat_owner_code = models.CharField(_("群主编号"), max_length=128, blank=True)
    member_count = models.PositiveIntegerField(_("成员数"), default=0)
    launch_switch = models.BooleanField(_("投放开关"), default=True)
    welcome_message = models.CharField(_("欢迎语"), max_length=500, blank=True)

    welcomed_at = models.DateTimeField(_("上次欢迎时间"), null=True, blank=True)
    mention_notified_at = models.DateTimeField(_("上次@通知时间"), null=True, blank=True)
    replacement_notified_at = models.DateTimeField(_("换机器人通知时间"), null=True, blank=True)

    star = models.SmallIntegerField(_("星级"), null=True, blank=True)
    is_legacy = models.BooleanField(_("老群"), default=False)
    repeat_rate = models.DecimalField(_("重复率"), max_digits=5, decimal_places=4, null=True, blank=True)

    bound_at = models.DateTimeField(_("绑定时间"))
    rebound_at = models.DateTimeField(_("再次绑定时间"), null=True, blank=True, editable=False)  # by the same robot
    cancelled_at = models.DateTimeField(_("注销时间"), null=True, blank=True)
    cancelled_by = models.CharField(_("注销操作人"), max_length=80, blank=True)
    cancel_reason = models.SmallIntegerField(_("注销原因"), choices=CancelReason.choices, null=True, blank=True)

    # of the ban that the cancelling for a violation is
    ban_lifted_at = models.DateTimeField(_("解除封禁时间"), null=True, blank=True)
    ban_lifted_by = models.CharField(_("解除封禁操作人"), max_length=80, blank=True, db_default="")
    ban_lifted_reason = models.CharField(_("解除封禁原因"), max_length=200, blank=True, db_default="")

    BANNED = Q(cancel_reason__in=PERMANENT_REASONS, ban_lifted_at__isnull=True)
    objects = GroupQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("群"), pgettext_lazy("plural", "群")
        permissions = [("cancel_group", "注销群"), ("lift_ban_group", "解除群封禁")]
        ordering = ["-bound_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["code"], condition=Q(cancelled_at__isnull=True), name="group_is_served_once_at_a_time"
            ),
            models.CheckConstraint(
                condition=filled_together("cancelled_at", "cancel_reason"),
                name="cancelled_group_has_a_reason",
            ),
            models.CheckConstraint(
                condition=filled("cancelled_at") | empty(texts=["cancelled_by"]),
                name="group_cancelled_by_has_cancelled_at",
            ),
            models.CheckConstraint(
                condition=filled_together("ban_lifted_at", texts=["ban_lifted_by", "ban_lifted_reason"]),
                name="lifted_ban_has_person_and_reason",
            ),
            models.CheckConstraint(
                condition=empty("ban_lifted_at") | Q(cancel_reason__in=PERMANENT_REASONS),
                name="only_a_ban_is_lifted",
            ),
            models.CheckConstraint(condition=Q(star__isnull=True) | Q(star__range=(1, 5)), name="star_is_1_to_5"),
            models.CheckConstraint(
                condition=Q(repeat_rate__isnull=True) | Q(repeat_rate__range=(0, 1)),
                name="repeat_rate_is_a_share",
            ),
        ]
        indexes = [
            # GET /groups, newest first
            models.Index(
                fields=["user", "-bound_at", "id"],
                include=["star", "is_legacy"],
                condition=Q(cancelled_at__isnull=True),
                name="groups_of_user",
            ),
            # the back office: the groups of a user and their bindings in the user's timeline
            models.Index(fields=["user", "-bound_at", "id"], name="bindings_of_user"),
            # all groups of a user, and the cancelled ones, whose mentions GET /alt_msg leaves out
            models.Index(fields=["user", "cancelled_at", "id"], name="groups_of_user_by_cancelling"),
            # settlement: active groups that earn
            models.Index(fields=["star"], condition=Q(cancelled_at__isnull=True), name="active_groups_by_star"),
            models.Index(
                fields=["wechat_owner_code", "-bound_at", "id"],
                condition=Q(cancelled_at__isnull=True),
                name="groups_by_wechat_owner",
            ),
            models.Index(fields=["robot"], condition=Q(cancelled_at__isnull=True), name="active_groups_of_robot"),
            models.Index(fields=["code", "-bound_at"], name="bindings_of_group"),
            # the back office: the list, its search, the dashboard's charts
            models.Index(fields=["-bound_at", "id"], name="groups_newest_first"),
            models.Index(fields=["name"], opclasses=["varchar_pattern_ops"], name="groups_by_name"),
            models.Index(
                fields=["cancelled_at"], condition=Q(cancelled_at__isnull=False), name="groups_by_cancelling"
            ),
            models.Index(
                fields=["cancel_reason", "-bound_at", "id"],
                condition=Q(cancel_reason__isnull=False),
                name="groups_by_cancel_reason",
            ),
            models.Index(
                fields=["-bound_at", "id"],
                condition=Q(cancel_reason__in=PERMANENT_REASONS, ban_lifted_at__isnull=True),
                name="groups_banned",
            ),
            models.Index(fields=["-bound_at", "id"], condition=Q(is_legacy=True), name="groups_legacy"),
            models.Index(
                fields=["-bound_at", "id"], condition=Q(launch_switch=False), name="groups_without_launches"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.code

    @property
    def is_banned(self) -> bool:
        """Return whether the group cannot be bound again because of this binding."""
        return self.cancel_reason in PERMANENT_REASONS and self.ban_lifted_at is None

    @property
    def last_bound_at(self) -> datetime:
        """Return when its robot was last bound, in whole seconds as the gateway reports. Earlier kicks do not count."""
        return max(self.bound_at, self.rebound_at or self.bound_at).replace(microsecond=0)

    @property
    def paid_day_count(self) -> int:
        """Return for how many days with a star the group was paid. Lists select the related `paid_days`."""
        paid_days = getattr(self, "paid_days", None)
        return paid_days.day_count if paid_days else 0
