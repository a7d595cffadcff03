"""Pages of groups, their members, messages, statistics and cancel jobs for operators."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.labels import person_label
from accounts.models import User
from config.backoffice import dashboard
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin, ReadOnlyInline
from config.backoffice.changelist import match_count, match_text
from config.backoffice.figures import Figures, figures_of, register_figures
from config.backoffice.filters import among, days, exactly, states
from config.backoffice.overview import NoteForm, NoteInline, OverviewAdmin
from config.backoffice.queues import QueueAdmin, close_action, register_queue, retry_action
from config.backoffice.readable import shown_message
from config.backoffice.timeline import Span, TimelineEvent, register_timeline
from groups import bans, cancelling
from groups.models import (
    CancelJob,
    CancelReason,
    Group,
    GroupMessage,
    GroupNote,
    GroupStatistics,
    Member,
    Mention,
    StarRating,
)
from integrations.gateway.payloads import MessageType


class RatingInline(ReadOnlyInline):
    model = StarRating
    fields = ("rated_at", "star", "state")
    readonly_fields = fields


class GroupNoteInline(NoteInline):
    model = GroupNote


# Operators do not choose ROBOT_KICKED and ROBOT_BANNED: the gateway's events set them.
_REASONS = [
    (reason.value, reason.label)
    for reason in CancelReason
    if reason not in (CancelReason.ROBOT_KICKED, CancelReason.ROBOT_BANNED)
]


class CancelForm(forms.Form):
    reason = forms.TypedChoiceField(
        label=_("注销原因"), choices=_REASONS, initial=CancelReason.OPERATOR, coerce=int
    )


def _lines(chosen: QuerySet[Group]) -> list[str]:
    """Return a line for each group: name, person, members, star, and the figures of other apps, such as the income."""
    rows = list(chosen.select_related("user")[:SHOWN])
    figures = figures_of(rows)
    return [
        " · ".join(map(str, [*_described(row), *(f"{title} {value}" for title, value in figures[row.pk])]))
        for row in rows
    ]


def _described(group: Group) -> list[str]:
    return [
        str(group),
        person_label(group.user),
        gettext("%s 人") % group.member_count,
        f"{group.star}★" if group.star else gettext("未评星"),
    ]


_SERVICE_STATES = {
    "1": (_("服务中"), Q(cancelled_at__isnull=True)),
    "0": (_("已注销"), Q(cancelled_at__isnull=False)),
    "banned": (_("已封禁"), Group.BANNED),
}
_READ_STATES = {
    "0": (_("未读"), Q(read_at__isnull=True)),
    "1": (_("已读"), Q(read_at__isnull=False)),
}
_MEMBER_STATES = {
    "0": (_("在群里"), Q(left_at__isnull=True)),
    "1": (_("已退群"), Q(left_at__isnull=False)),
}
_STARS = [(star, f"{star}★") for star in range(1, 6)]


@admin.register(Group)
class GroupAdmin(OverviewAdmin):
    list_display = (
        "name",
        "code",
        "user",
        "robot",
        "star",
        "is_legacy",
        "member_count",
        "paid_day_count",
        "launch_switch",
        "bound_at",
        "cancelled_at",
        "cancel_reason",
        "ban",
    )
    list_select_related = ("user", "robot", "paid_days")
    list_filter = (
        states("served", _("状态"), _SERVICE_STATES),
        among("star", _("星级"), _STARS),
        "is_legacy",
        "cancel_reason",
        "launch_switch",
        days("bound_at", _("绑定时间")),
        exactly("robot__code", _("机器人编号")),
    )
    found_by = ("name__startswith", "code__exact")
    found_by_part = "name"
    search_fields = (
        "name__startswith",
        "code__exact",
        "user__phone__contains",
        "user__nickname__startswith",
        "user__code__exact",
    )
    search_help_text = _("群名或用户昵称的开头、手机号的任意几位，或完整的网关编号")
    ordering = ("-bound_at", "id")
    reached_from = {"accounts.user": ("user", _("群")), "robots.robot": ("robot", _("群"))}
    readonly_fields = ("paid_day_count", "ban")
    inlines = (GroupNoteInline, RatingInline)
    actions = ("cancel", "lift_ban", "add_note", *EXPORTS)

    @admin.display(description=_("已结算天数"))
    def paid_day_count(self, group: Group) -> int:
        return group.paid_day_count

    @admin.display(description=_("封禁"))
    def ban(self, group: Group) -> Any:
        if group.ban_lifted_at:
            return _("已解除封禁")
        return _("已封禁，不能再绑定") if group.is_banned else ""

    def is_action_available(self, action: str, obj: Any) -> bool:
        if not super().is_action_available(action, obj):
            return False
        return bool(obj.is_banned) if action == "lift_ban" else obj.cancelled_at is None

    @confirmed(
        _("添加备注"),
        permission="groups.add_groupnote",
        question=_("备注只给运营人员看。"),
        form=NoteForm,
        did=_("已添加备注"),
    )
    def add_note(self, chosen: Confirmed) -> int:
        note = {"text": chosen.fields["note"], "written_by": chosen.by, "written_at": chosen.at}
        return len(GroupNote.objects.bulk_create(GroupNote(group_id=key, **note) for key in chosen.keys))

    @confirmed(
        _("解除封禁"),
        permission="groups.lift_ban_group",
        question=_("这些群可以重新绑定。"),
        form=ReasonForm,
        lines=_lines,
        did=_("已解除封禁"),
        why_not=_("没有被封禁"),
    )
    def lift_ban(self, chosen: Confirmed) -> int:
        return bans.lift_bans(chosen.keys, by=chosen.by, at=chosen.at, **chosen.fields)

    @confirmed(
        _("注销群"),
        permission="groups.cancel_group",
        question=_(
            "机器人将退出这些群，不再收益和发送；未发出的消息一并取消。此操作不可撤销。"
            "以“违法”或“投放质量差”注销的群被封禁，以后不能再绑定，除非管理员解除封禁。"
        ),
        form=CancelForm,
        lines=_lines,
        did=_("已注销"),
        why_not=_("之前已经注销"),
    )
    def cancel(self, chosen: Confirmed) -> int:
        reason = CancelReason(chosen.fields["reason"])
        return cancelling.cancel_groups(group_ids=chosen.keys, reason=reason, by=chosen.by, at=chosen.at)


@admin.register(CancelJob)
class CancelJobAdmin(QueueAdmin):
    retry = retry_action(permission="groups.retry_canceljob")
    close = close_action(permission="groups.retry_canceljob", question=_("不再注销其余的群；已经注销的不会恢复。"))
    list_display = ("asked_at", "asked_by", "reason", "__str__", "cancelled_count", "status", "finished_at")
    list_filter = ("status", "reason", days("asked_at", _("提交时间")))
    fields = (
        "asked_at",
        "asked_by",
        "reason",
        "position",
        "cancelled_count",
        "status",
        "attempts",
        "next_attempt_at",
        "finished_at",
        "last_error",
    )


@admin.register(GroupMessage)
class GroupMessageAdmin(ReadOnlyAdmin):
    list_display = ("sent_at", "group", "sender_code", "is_robot", "summary")
    list_select_related = ("group",)
    list_filter = (days("sent_at", _("发送时间")),)
    search_fields = ("group__code__exact",)
    search_help_text = _("请输入完整的群编号")
    ordering = ("-sent_at", "-id")
    requires_filter = True
    reached_from = {"groups.group": ("group", _("群消息"))}
    fields = (("group", "sender_code", "is_robot"), "sent_at", "shown_content", "message_no")
    readonly_fields = ("shown_content",)

    @admin.display(description=_("内容"))
    def shown_content(self, message: GroupMessage) -> SafeString:
        return shown_message(message.content, MessageType)

    @admin.display(description=_("内容"))
    def summary(self, message: GroupMessage) -> str:
        return message.summary


@admin.register(GroupStatistics)
class GroupStatisticsAdmin(ReadOnlyAdmin):
    list_display = ("day", "group", "member_count", "joined_count", "left_count", "speaker_count")
    list_select_related = ("group",)
    list_filter = (days("day", _("日期"), of_moments=False),)
    search_fields = ("group__code__exact", "group__name__startswith")
    search_help_text = _("完整的群编号，或群名的开头")
    ordering = ("-day", "id")
    reached_from = {"groups.group": ("group", _("群数据"))}


@admin.register(Mention)
class MentionAdmin(ReadOnlyAdmin):
    list_display = ("mentioned_at", "group", "summary", "read_at")
    list_select_related = ("group", "message")
    list_filter = (states("read", _("已读"), _READ_STATES), days("mentioned_at", _("时间")))
    search_fields = ("group__code__exact",)
    search_help_text = _("完整的群编号")
    ordering = ("-mentioned_at", "-message_id")
    reached_from = {"groups.group": ("group", _("@消息"))}

    @admin.display(description=_("内容"))
    def summary(self, mention: Mention) -> str:
        return mention.message.summary


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin):
    list_display = ("group", "nickname", "code", "is_admin", "joined_at", "left_at")
    list_select_related = ("group",)
    list_filter = (states("left", _("状态"), _MEMBER_STATES),)
    search_fields = ("group__code__exact",)
    search_help_text = _("完整的群编号")
    ordering = ("-id",)
    reached_from = {"groups.group": ("group", _("群成员"))}


def groups_of_people(users: Sequence[User]) -> dict[Any, Figures]:
    """Return how many groups are served for each of these users, and how many were cancelled, in one query."""
    groups = Group.objects.filter(user=OuterRef("pk"))
    counts = User.objects.filter(pk__in=[user.pk for user in users]).values_list(
        "pk", match_count(groups.active()), match_count(groups.filter(cancelled_at__isnull=False))
    )
    return {
        user: [(_("服务中的群"), match_text(active)), (_("已注销的群"), match_text(cancelled))]
        for user, active, cancelled in counts
    }


def _bindings(user: User, span: Span) -> Iterable[TimelineEvent]:
    for group in span.rows(Group.objects.filter(user=user), "bound_at"):
        yield TimelineEvent(group.bound_at, gettext("绑定群“%s”") % group)


def _cancellings(user: User, span: Span) -> Iterable[TimelineEvent]:
    for group in span.rows(Group.objects.filter(user=user), "cancelled_at"):
        text = gettext("注销群“%(group)s”：%(reason)s")
        values = {"group": group, "reason": group.get_cancel_reason_display()}
        yield TimelineEvent(group.cancelled_at, text % values, group.cancelled_by)


register_figures("accounts.user", groups_of_people)
register_timeline("accounts.user", _bindings, _cancellings, permission="groups.view_group")
dashboard.register_chart(
    _("群"),
    permission="groups.view_group",
    page="groups_group",
    moment="bound_at",
    lines=[
        ("groups.bound", _("绑定"), dashboard.per_day(Group.objects.all, "bound_at")),
        ("groups.cancelled", _("注销"), dashboard.per_day(Group.objects.all, "cancelled_at")),
    ],
)


register_queue(CancelJob)
