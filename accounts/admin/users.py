"""Admin page of users."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import blocking, erasure, identity, sign_out
from accounts.admin.erasure import ErasureForm
from accounts.admin.user_history import apprentice_counts
from accounts.labels import person_label
from accounts.models import EndedBlock, User, UserNote
from config.backoffice import dashboard
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyInline
from config.backoffice.changelist import match_text
from config.backoffice.figures import figures_of
from config.backoffice.filters import days, exactly, states
from config.backoffice.overview import NoteForm, NoteInline, OverviewAdmin
from config.backoffice.readable import picture, row_link

SHOWN_APPRENTICES = 20
_PEOPLE = Q(is_staff=False) | Q(code__isnull=False)  # an operator is listed only when also a contact of a robot
_BLOCKED = {"1": (_("已封号"), Q(blocked_at__isnull=False)), "0": (_("正常"), Q(blocked_at__isnull=True))}
_COMPLETE = {"1": (_("已补全"), Q(completed_at__isnull=False)), "0": (_("未补全"), Q(completed_at__isnull=True))}


class EndedBlockInline(ReadOnlyInline):
    model = EndedBlock
    fields = ("blocked_at", "blocked_by", "blocked_reason", "ended_at", "ended_by", "ended_reason")
    readonly_fields = fields


class UserNoteInline(NoteInline):
    model = UserNote


def _apprentices(count: int) -> str:
    return gettext("，徒弟 %s 人") % match_text(count) if count else ""


def _lines(chosen: QuerySet[User]) -> list[str]:
    """Return a line for each user with the phone and the figures: nicknames are not unique."""
    rows = list(chosen.select_related("inviter")[:SHOWN])
    found = figures_of(rows)
    return [
        " · ".join([person_label(row), *(f"{title} {value}" for title, value in found[row.pk])]) for row in rows
    ]


@admin.register(User)
class UserAdmin(OverviewAdmin):
    """All users: the people who added a robot as a friend."""

    list_display = (
        "nickname",
        "code",
        "phone",
        "inviter",
        "channel",
        "completed_at",
        "blocked_at",
        "created_at",
    )
    list_select_related = ("inviter",)
    list_filter = (
        states("blocked", _("封号"), _BLOCKED),
        states("completed", _("资料"), _COMPLETE),
        days("created_at", _("注册时间")),
        exactly("channel", _("渠道")),
    )
    search_fields = ("phone__contains", "nickname__startswith", "code__exact", "union_id__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号、union_id")
    ordering = ("-created_at", "id")
    found_by = ("phone__contains", "nickname__startswith", "code__exact", "union_id__exact")
    found_by_part = "nickname"
    reached_from = {"accounts.user": ("inviter", _("徒弟"))}
    fields = (
        ("nickname", "avatar"),
        ("code", "channel"),
        ("union_id", "open_id", "app_id"),
        ("phone", "identity"),
        "referral",
        ("created_at", "completed_at", "erased_at"),
        ("blocked_at", "blocked_by", "blocked_reason"),
        "signed_out_at",
    )
    readonly_fields = ("avatar", "identity", "referral", "erased_at")
    inlines = (UserNoteInline, EndedBlockInline)
    actions = ("block", "unblock", "sign_out", "erase", "add_note", *EXPORTS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(_PEOPLE)

    def is_action_available(self, action: str, obj: Any) -> bool:
        is_erased = obj.erased_at is not None
        available = {
            "block": not obj.is_blocked,
            "unblock": obj.is_blocked and not is_erased,
            "sign_out": not is_erased,
            "erase": not is_erased,
        }
        return super().is_action_available(action, obj) and available.get(action, True)

    def found_detail(self, row: User) -> str:
        return " · ".join(part for part in (row.phone, row.code) if part)

    @admin.display(description=_("头像"))
    def avatar(self, user: User) -> SafeString:
        return picture(user.avatar_url, kind="avatar", title=gettext("头像"))

    @admin.display(description=_("身份证"))
    def identity(self, user: User) -> str:
        return identity.masked_card(user)

    @admin.display(description=_("师徒"))
    def referral(self, user: User) -> SafeString:
        """Return the chain of inviters up to the top, and the first apprentices with the number of their own."""
        inviter, inviters = user.inviter, list[User]()
        while inviter is not None and len(inviters) < SHOWN_APPRENTICES:
            inviters.append(inviter)
            inviter = inviter.inviter
        apprentices = list(User.objects.filter(inviter=user).order_by("created_at", "pk")[: SHOWN_APPRENTICES + 1])
        counts = apprentice_counts(apprentices)
        chain = format_html_join(" → ", "{}", ((row_link(row),) for row in [*reversed(inviters), user]))
        items = format_html_join(
            "",
            "<li>{}{}</li>",
            ((row_link(row), _apprentices(counts[row.pk])) for row in apprentices[:SHOWN_APPRENTICES]),
        )
        more = "…" if len(apprentices) > SHOWN_APPRENTICES else ""
        return format_html("{}<ul>{}</ul>{}", chain, items, more)

    @confirmed(
        _("封号"),
        permission="accounts.block_user",
        lines=_lines,
        question=_("将封禁这些用户：只能查看，不能操作；未打款的提现一并拒绝并退回余额。"),
        form=ReasonForm,
        did=_("已封禁"),
        why_not=_("已经是封禁状态，或是运营人员"),
    )
    def block(self, chosen: Confirmed) -> int:
        return blocking.block_all(chosen.keys, by=chosen.by, at=chosen.at, **chosen.fields)

    @confirmed(
        _("解封"),
        permission="accounts.block_user",
        lines=_lines,
        question=_("这些用户将恢复使用。已拒绝的提现不会恢复。"),
        form=ReasonForm,
        did=_("已解封"),
        why_not=_("没有被封禁，或已经注销"),
    )
    def unblock(self, chosen: Confirmed) -> int:
        return blocking.unblock_all(chosen.keys, by=chosen.by, at=chosen.at, **chosen.fields)

    @confirmed(
        _("退出登录"),
        permission="accounts.block_user",
        lines=_lines,
        question=_("这些用户在所有设备上的登录立即失效，需要重新微信授权。"),
        did=_("已退出登录"),
        why_not=_("运营人员在自己的页面退出"),
    )
    def sign_out(self, chosen: Confirmed) -> int:
        return sign_out.sign_out_all(chosen.keys, at=chosen.at)

    @confirmed(
        _("添加备注"),
        permission="accounts.add_usernote",
        question=_("备注只给运营人员看。"),
        form=NoteForm,
        did=_("已添加备注"),
    )
    def add_note(self, chosen: Confirmed) -> int:
        note = {"text": chosen.fields["note"], "written_by": chosen.by, "written_at": chosen.at}
        return len(UserNote.objects.bulk_create(UserNote(user_id=key, **note) for key in chosen.keys))

    @confirmed(
        _("注销账号"),
        permission="accounts.erase_user",
        lines=_lines,
        question=_(
            "手机号、身份证、昵称、头像、微信标识和说过的话将被清除，群被注销，登录立即失效，不可恢复；账目保留但不含个人信息。"
            "提交后由另一名运营人员在“注销申请”里确认。原因里请不要写个人信息。"
        ),
        form=ErasureForm,
        did=_("已提交，待另一名运营人员确认"),
        why_not=_("已经注销、已有待确认的申请，或是运营人员"),
    )
    def erase(self, chosen: Confirmed) -> int:
        users = list(User.objects.filter(pk__in=chosen.keys))
        return erasure.request_all(users, by=chosen.by, at=chosen.at, **chosen.fields)


dashboard.register_chart(
    _("新用户"),
    permission="accounts.view_user",
    page="accounts_user",
    moment="created_at",
    lines=[("users.new", _("注册"), dashboard.per_day(lambda: User.objects.filter(_PEOPLE), "created_at"))],
)
