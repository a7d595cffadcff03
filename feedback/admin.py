"""Pages of problems, conversations and forwarded messages for operators."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice import dashboard
from config.backoffice.actions import MAX_ROWS, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, ListAdmin, ReadOnlyAdmin
from config.backoffice.filters import days, exactly, states
from config.backoffice.queues import QueueAdmin, close_action, register_queue, retry_action
from config.backoffice.texts import VisibleCharField
from feedback import problems
from feedback.models import Conversation, ForwardedMessage, Problem, ProblemCategory

_STATES = {
    "open": (_("待处理"), Problem.OPEN),
    "answered": (_("已答复"), Q(answered_at__isnull=False)),
    "closed": (_("已关闭"), Q(closed_at__isnull=False)),
}


class AnswerForm(forms.Form):
    answer = VisibleCharField(
        label=_("答复"), max_length=1000, widget=forms.Textarea(attrs={"rows": 4, "cols": 60})
    )


def _unreachable_note(chosen: QuerySet[Problem]) -> str:
    count = problems.with_unreachable_user(chosen)[:MAX_ROWS].count()
    return gettext("其中 %s 条的用户没有可用的机器人，收不到答复，将保持待处理") % count if count else ""


@admin.register(ProblemCategory)
class ProblemCategoryAdmin(ListAdmin):
    list_display = ("title", "seq_no", "type", "is_shown")
    list_editable = ("seq_no", "is_shown")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # reports keep their category; operators hide a category instead


@admin.register(Problem)
class ProblemAdmin(ReadOnlyAdmin):
    list_display = (
        "reported_at",
        "user",
        "phone",
        "category",
        "robot",
        "group_name",
        "description",
        "state",
        "answer",
    )
    list_select_related = ("user", "category", "robot")
    list_filter = (
        states("state", _("状态"), _STATES),
        ("category", admin.RelatedFieldListFilter),
        days("reported_at", _("反馈时间")),
        exactly("robot__code", _("机器人编号")),
        exactly("group_name", _("群名")),
    )
    search_fields = ("user__phone__contains", "user__nickname__startswith", "group_name__startswith")
    search_help_text = _("手机号的任意几位、昵称或群名的开头")
    ordering = ("-reported_at", "id")
    reached_from = {"accounts.user": ("user", _("反馈")), "robots.robot": ("robot", _("反馈"))}
    actions = ("answer_them", "close", *EXPORTS)

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and obj.answered_at is None and obj.closed_at is None

    @admin.display(description=_("手机号"))
    def phone(self, problem: Problem) -> str:
        return problem.user.phone or ""

    @admin.display(description=_("状态"))
    def state(self, problem: Problem) -> Any:
        if problem.answered_at:
            return _("已答复")
        return _("已关闭") if problem.closed_at else _("待处理")

    @confirmed(
        _("答复"),
        permission="feedback.answer_problem",
        title=_("答复反馈"),
        question=_("用户会从机器人收到这段话。"),
        total=_unreachable_note,
        form=AnswerForm,
        did=_("已答复"),
        why_not=_("之前已经答复或关闭，或用户没有可用的机器人"),
    )
    def answer_them(self, chosen: Confirmed) -> int:
        answer = {"text": chosen.fields["answer"], "by": chosen.by, "at": chosen.at}
        rows = chosen.rows.select_related("user", "category")
        return sum(problems.answer_problem(problem=problem, **answer) for problem in rows)

    @confirmed(
        _("关闭（不答复）"),
        permission="feedback.answer_problem",
        title=_("关闭反馈"),
        question=_("这些反馈不再处理，用户不会收到消息。请写明原因。"),
        form=ReasonForm,
        did=_("已关闭"),
        why_not=_("之前已经答复或关闭"),
    )
    def close(self, chosen: Confirmed) -> int:
        return problems.close_problems(chosen.keys, by=chosen.by, at=chosen.at, **chosen.fields)


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    list_display = ("opened_at", "user", "closed_at")
    list_select_related = ("user",)
    list_filter = (("closed_at", admin.EmptyFieldListFilter), days("opened_at", _("开始时间")))
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号")
    ordering = ("-opened_at", "-id")
    reached_from = {"accounts.user": ("user", _("客服会话"))}


@admin.register(ForwardedMessage)
class ForwardedMessageAdmin(QueueAdmin):
    list_display = ("id", "written_at", "user", "kind", "status", "attempts", "finished_at", "last_error")
    list_select_related = ("conversation__user",)
    list_filter = ("status", days("written_at", _("发送时间")))
    ordering = ("-written_at", "-id")
    reached_from = {"feedback.conversation": ("conversation", _("转发给客服的消息"))}
    retry = retry_action(permission="feedback.retry_forwardedmessage")
    close = close_action(permission="feedback.retry_forwardedmessage")

    @admin.display(description=_("用户"))
    def user(self, message: ForwardedMessage) -> str:
        return str(message.conversation.user)


register_queue(ForwardedMessage)
dashboard.register_task(
    _("待答复反馈"),
    page="feedback_problem",
    query="state=open",
    permission="feedback.view_problem",
    count=dashboard.counted(lambda: Problem.objects.filter(Problem.OPEN)),
)
