"""Admin pages of robots, their quotas, scans and friendships."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from config.backoffice import dashboard
from config.backoffice.actions import action, button
from config.backoffice.base import EXPORTS, ReadOnlyAdmin
from config.backoffice.filters import days, exactly, states
from config.backoffice.readable import picture, row_link
from config.platform.dates import day_of, shanghai_time
from config.platform.wakeups import start_soon
from robots.models import MAX_GROUPS, Friendship, Robot, RobotDay, Scan

NEARLY_FULL = MAX_GROUPS - 3
SYNC_ROBOTS = "robots.tasks.sync_robots"
BAN_SHOWN_DAYS = 30  # how long a ban without a replacement is on the dashboard
_BANS = {
    "open": (
        _("30 天内封号、未接替"),
        Q(status=Robot.Status.BANNED, replaced_by=None, banned_at__gte=Now() - timedelta(days=BAN_SHOWN_DAYS)),
    ),
    "replaced": (_("已接替"), Q(replaced_by__isnull=False)),
}
_CAPACITY = {
    "full": (_("将满（剩 3 个以内）"), Q(group_count__gte=NEARLY_FULL)),
    "free": (_("未满"), Q(group_count__lt=NEARLY_FULL)),
}


@admin.register(Robot)
class RobotAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "code",
        "wechat_no",
        "channel",
        "status",
        "group_count",
        "quota_today",
        "created_at",
        "banned_at",
        "replaced_by",
    )
    list_select_related = ("replaced_by",)
    list_filter = (
        "status",
        states("ban", _("封号"), _BANS),
        states("room", _("余量"), _CAPACITY),
        exactly("channel", _("渠道")),
    )
    search_fields = ("name__contains", "code__exact", "wechat_no__exact")
    found_by = search_fields
    search_help_text = _("名字的一部分，或完整的网关编号、微信号")
    ordering = ("-created_at", "id")
    fields = (
        ("name", "code"),
        ("wechat_no", "channel"),
        ("status", "group_count", "friend_count", "quota_today"),
        ("avatar", "qr_code"),
        ("created_at", "banned_at"),
        ("replacement", "replaced"),
    )
    readonly_fields = ("quota_today", "friend_count", "avatar", "qr_code", "replacement", "replaced")
    actions = ("make_assignable", "make_unassignable", *EXPORTS)
    list_buttons = ("sync",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        today = RobotDay.objects.filter(robot=OuterRef("pk"), day=day_of(timezone.now()))
        left = Subquery(today.values_list(F("quota") - F("bound_count"), flat=True)[:1])
        return super().get_queryset(request).annotate(left_today=Coalesce(left, None))

    @admin.display(description=_("今日余量"))
    def quota_today(self, robot: Any) -> str:
        """Return how many groups the robot may be bound to today."""
        if robot.left_today is None or not robot.is_working:
            return "-"
        return gettext("今日还可绑定 %s 个群") % robot.left_today

    @admin.display(description=_("头像"))
    def avatar(self, robot: Robot) -> SafeString:
        return picture(robot.avatar_url, kind="avatar", title=gettext("头像"))

    @admin.display(description=_("二维码"))
    def qr_code(self, robot: Robot) -> SafeString:
        return picture(robot.qr_code_url, kind="code", title=gettext("二维码"))

    @admin.display(description=_("由谁接替"))
    def replacement(self, robot: Robot) -> str:
        if robot.replaced_by is None or robot.replaced_at is None:
            return "-"
        return format_html("{} ({})", row_link(robot.replaced_by), shanghai_time(robot.replaced_at))

    @admin.display(description=_("接替了谁"))
    def replaced(self, robot: Robot) -> str:
        rows = robot.replaced_robots.order_by("-replaced_at", "pk")
        return format_html_join("、", "{}", ((row_link(old_robot),) for old_robot in rows)) or "-"

    @admin.display(description=_("好友数"))
    def friend_count(self, robot: Robot) -> int:
        return Friendship.objects.filter(robot=robot).count()

    def is_action_available(self, action: str, obj: Any) -> bool:
        opposite = {
            "make_assignable": Robot.Status.UNASSIGNABLE,
            "make_unassignable": Robot.Status.ASSIGNABLE,
        }
        return super().is_action_available(action, obj) and obj.status == opposite.get(action, obj.status)

    @button(_("从网关导入和同步"), permission="robots.assign_robot")
    def sync(self, request: HttpRequest) -> None:
        """Synchronize robots with the gateway's list in the background."""
        start_soon(SYNC_ROBOTS)
        self.message_user(request, gettext("已开始同步，新机器人稍后出现在列表中。"), messages.SUCCESS)

    @action(_("设为可分配"), permission="robots.assign_robot")
    def make_assignable(self, request: HttpRequest, queryset: QuerySet[Robot]) -> None:
        self._set(request, queryset, Robot.Status.UNASSIGNABLE, Robot.Status.ASSIGNABLE)

    @action(_("设为不可分配"), permission="robots.assign_robot")
    def make_unassignable(self, request: HttpRequest, queryset: QuerySet[Robot]) -> None:
        self._set(request, queryset, Robot.Status.ASSIGNABLE, Robot.Status.UNASSIGNABLE)

    def _set(self, request: HttpRequest, queryset: QuerySet[Robot], before: int, after: int) -> None:
        chosen = queryset.count()
        done = Robot.objects.filter(pk__in=queryset.values("pk"), status=before).update(status=after)
        self.report(
            request, done=done, chosen=chosen, did=_("已设置"), why_not=_("已是该状态，或机器人已移除、封号")
        )


@admin.register(RobotDay)
class RobotDayAdmin(ReadOnlyAdmin):
    list_display = ("day", "robot", "quota", "bound_count", "shown_count")
    list_select_related = ("robot",)
    list_filter = (days("day", _("日期"), of_moments=False), exactly("robot__code", _("机器人编号")))
    ordering = ("-day", "id")
    reached_from = {"robots.robot": ("robot", _("每日配额"))}


@admin.register(Scan)
class ScanAdmin(ReadOnlyAdmin):
    list_display = ("assigned_at", "visitor", "robot", "inviter", "channel", "scanned_at")
    list_select_related = ("robot", "inviter")
    list_filter = (days("assigned_at", _("分配时间")), exactly("robot__code", _("机器人编号")))
    search_fields = ("union_id__exact",)
    search_help_text = _("完整的 union_id")
    ordering = ("-assigned_at", "id")
    reached_from = {"robots.robot": ("robot", _("扫码记录"))}

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """Add the users that the visitors became."""
        union_ids = {row.union_id for row in rows}
        visitors = User.objects.filter(union_id__in=union_ids).in_bulk(field_name="union_id")
        for row in rows:
            row.visitor = visitors.get(row.union_id)

    @admin.display(description=_("访客"))
    def visitor(self, scan: Any) -> str:
        """Return the user that the visitor became, with a link, or the union_id of a visitor who added no robot."""
        if scan.visitor is None:
            return str(scan.union_id)
        return row_link(scan.visitor)


@admin.register(Friendship)
class FriendshipAdmin(ReadOnlyAdmin):
    list_display = ("befriended_at", "user", "robot")
    list_select_related = ("user", "robot")
    list_filter = (days("befriended_at", _("成为好友时间")), exactly("robot__code", _("机器人编号")))
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号")
    ordering = ("-befriended_at", "id")
    reached_from = {"robots.robot": ("robot", _("好友")), "accounts.user": ("user", _("机器人好友"))}


dashboard.register_task(
    _("被封号、未接替的机器人"),
    page="robots_robot",
    query="ban=open",
    permission="robots.view_robot",
    count=dashboard.counted(lambda: Robot.objects.filter(_BANS["open"][1])),
    is_urgent=True,
)
dashboard.register_task(
    _("将满的机器人"),
    page="robots_robot",
    query="status__exact=1&room=full",
    permission="robots.view_robot",
    count=dashboard.counted(lambda: Robot.objects.assignable().filter(group_count__gte=NEARLY_FULL)),
)
