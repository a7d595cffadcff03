"""Pages of problems and their categories for operators. A problem is answered on its own page."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.labels import person_label, person_link
from config.backoffice import dashboard
from config.backoffice.actions import MAX_ROWS, SHOWN, Confirmed, ReasonForm, action, confirmed
from config.backoffice.base import EXPORTS, ListAdmin, ReadOnlyAdmin
from config.backoffice.filters import days, exactly, states
from feedback import problems
from feedback.admin import answering
from feedback.models import Problem, ProblemCategory

_STATES = {
    "open": (_("待处理"), Problem.OPEN),
    "answered": (_("已答复"), Q(answered_at__isnull=False)),
    "closed": (_("已关闭"), Q(closed_at__isnull=False)),
}


class AssigneeFilter(admin.SimpleListFilter):
    """Problems of the operator, and open problems that nobody works on."""

    title = _("接手人")
    parameter_name = "assigned"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("mine", _("我的")), ("nobody", _("无人处理"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Problem]) -> QuerySet[Problem]:
        match self.value():
            case None:
                return queryset
            case "mine":
                return queryset.filter(assigned_to=request.user.get_username())
            case "nobody":
                return queryset.filter(Problem.OPEN, assigned_to="")
        return queryset.none()


def _lines(chosen: QuerySet[Problem]) -> list[str]:
    """Return a line for each problem: the person, the category and the beginning of the description."""
    rows = chosen.select_related("user", "category")[:SHOWN]
    return [" · ".join(filter(None, _described(row))) for row in rows]


def _described(problem: Problem) -> tuple[str, ...]:
    return person_label(problem.user), problem.category.title, problem.group_name, problem.description[:40]


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
        "assigned_to",
        "answer",
    )
    list_select_related = ("user", "category", "robot")
    list_filter = (
        states("state", _("状态"), _STATES),
        AssigneeFilter,
        ("category", admin.RelatedFieldListFilter),
        days("reported_at", _("反馈时间")),
        exactly("robot__code", _("机器人编号")),
        exactly("group_name", _("群名")),
    )
    search_fields = ("user__phone__contains", "user__nickname__startswith", "group_name__startswith")
    search_help_text = _("手机号的任意几位、昵称或群名的开头")
    ordering = ("-reported_at", "id")
    reached_from = {"accounts.user": ("user", _("反馈")), "robots.robot": ("robot", _("反馈"))}
    fields = (
        ("person", "reported_at"),
        ("category", "robot", "group_name"),
        "description",
        ("state", "assigned_to", "assigned_at"),
        ("closed_at", "closed_by", "closed_reason"),
    )
    readonly_fields = ("person", "state")
    actions = ("take", "release", "answer_them", "close", *EXPORTS)

    def is_action_available(self, action: str, obj: Any) -> bool:
        """Return whether the problem is open. A page has a box for the answer instead of the action."""
        is_open = obj is not None and obj.answered_at is None and obj.closed_at is None
        available = {
            "take": is_open and not obj.assigned_to,
            "release": is_open and bool(obj.assigned_to),
            "answer_them": False,
        }
        return is_open and available.get(action, True)

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.answer_page)
        return [path("<path:object_id>/answer/", page, name="feedback_problem_answer"), *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        problem = kwargs.get("obj")
        shown = answering.box_contents(request, problem) if problem else {}
        return super().render_change_form(request, {**context, **shown}, *args, **kwargs)

    def answer_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send an answer and return to the problem. Shows the question and the text again when nothing was sent."""
        problem = self.get_object(request, unquote(object_id))
        if problem is None or not request.user.has_perm(answering.PERMISSION):
            raise PermissionDenied
        page = reverse("admin:feedback_problem_change", args=[problem.pk])
        if request.method != "POST":
            return HttpResponseRedirect(page)
        form = answering.AnswerFromPageForm(request.POST)
        if form.is_valid():
            answer = {"text": form.cleaned_data["answer"], "seen": form.cleaned_data["seen"]}
            by = request.user.get_username()
            if problems.answer_problem(problem=problem, by=by, at=timezone.now(), **answer):
                self.message_user(request, gettext("答复已交给机器人发送。"), messages.SUCCESS)
                return HttpResponseRedirect(page)
            self.message_user(request, answering.why_not_sent(problem, answer["seen"]), messages.ERROR)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("答复反馈"),
            "original": problem,
            "question": _described(problem),
            **answering.box_contents(request, problem, typed=form.data.get("answer", ""), errors=form.errors),
        }
        return TemplateResponse(request, "admin/feedback/problem/answer.html", context)

    @admin.display(description=_("用户"))
    def person(self, problem: Problem) -> str:
        return person_link(problem.user)

    @admin.display(description=_("手机号"))
    def phone(self, problem: Problem) -> str:
        return problem.user.phone or ""

    @admin.display(description=_("状态"))
    def state(self, problem: Problem) -> Any:
        if problem.answered_at:
            return _("已答复")
        return _("已关闭") if problem.closed_at else _("待处理")

    @action(_("我来处理"), permission=answering.PERMISSION)
    def take(self, request: HttpRequest, queryset: QuerySet[Problem]) -> None:
        keys = list(queryset.values_list("pk", flat=True)[:MAX_ROWS])
        done = problems.assign_problems(keys, to=request.user.get_username(), at=timezone.now())
        why_not = _("已有接手人，或已经答复或关闭")
        self.report(request, done=done, chosen=len(keys), did=_("已由你处理"), why_not=why_not)

    @action(_("取消接手人"), permission=answering.PERMISSION)
    def release(self, request: HttpRequest, queryset: QuerySet[Problem]) -> None:
        keys = list(queryset.values_list("pk", flat=True)[:MAX_ROWS])
        done = problems.unassign_problems(keys)
        why_not = _("没有接手人，或已经答复或关闭")
        self.report(request, done=done, chosen=len(keys), did=_("已取消接手人"), why_not=why_not)

    @confirmed(
        _("答复"),
        permission=answering.PERMISSION,
        title=_("答复反馈"),
        question=_("用户会从机器人收到这段话。"),
        lines=_lines,
        total=_unreachable_note,
        form=answering.AnswerForm,
        did=_("已答复"),
        why_not=_("之前已经答复或关闭，或用户没有可用的机器人"),
    )
    def answer_them(self, chosen: Confirmed) -> int:
        answer = {"text": chosen.fields["answer"], "by": chosen.by, "at": chosen.at}
        rows = chosen.rows.select_related("user", "category")
        return sum(problems.answer_problem(problem=problem, **answer) for problem in rows)

    @confirmed(
        _("关闭（不答复）"),
        permission=answering.PERMISSION,
        title=_("关闭反馈"),
        question=_("这些反馈不再处理，用户不会收到消息。请写明原因。"),
        form=ReasonForm,
        lines=_lines,
        did=_("已关闭"),
        why_not=_("之前已经答复或关闭"),
    )
    def close(self, chosen: Confirmed) -> int:
        return problems.close_problems(chosen.keys, by=chosen.by, at=chosen.at, **chosen.fields)


dashboard.register_task(
    _("待答复反馈"),
    page="feedback_problem",
    query="state=open",
    permission="feedback.view_problem",
    count=dashboard.counted(lambda: Problem.objects.filter(Problem.OPEN)),
)
