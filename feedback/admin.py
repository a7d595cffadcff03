"""Feedback for those who answer it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from config.backoffice.confirm import ask
from config.backoffice.facts import FactsAdmin, ListAdmin
from feedback import problems
from feedback.models import Conversation, ForwardedMessage, Problem, ProblemCategory


class AnswerForm(forms.Form):
    answer = forms.CharField(label="答复", max_length=1000, widget=forms.Textarea(attrs={"rows": 4, "cols": 60}))


@admin.register(ProblemCategory)
class ProblemCategoryAdmin(ListAdmin):
    list_display = ("seq_no", "title", "type", "is_shown")
    list_display_links = ("title",)


@admin.register(Problem)
class ProblemAdmin(FactsAdmin):
    list_display = (
        "reported_at",
        "user",
        "phone",
        "category",
        "robot",
        "group_name",
        "description",
        "answered_at",
        "answer",
    )
    list_select_related = ("user", "category", "robot")
    list_filter = (("answered_at", admin.EmptyFieldListFilter), "category", "reported_at")
    search_fields = ("=user__phone", "user__nickname", "description", "group_name")
    ordering = ("-reported_at", "id")
    actions = ("answer_them", "export")

    @admin.display(description="手机号")
    def phone(self, problem: Problem) -> str:
        return problem.user.phone or ""

    def has_answer_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("feedback.answer_problem"))

    @admin.action(description="答复", permissions=["answer"])
    def answer_them(self, request: HttpRequest, queryset: QuerySet[Problem]) -> Any:
        page, said = ask(
            self,
            request,
            queryset,
            action="answer_them",
            title="答复反馈",
            question="用户会从机器人收到这段话。",
            form=AnswerForm,
        )
        if page is not None:
            return page
        chosen, now = list(queryset.select_related("user", "category")), timezone.now()
        by = request.user.get_username()
        done = [problems.answer(problem=problem, words=said["answer"], by=by, at=now) for problem in chosen]
        self.report(request, done=sum(done), chosen=len(chosen), did="已答复", why_not="之前已经答复")
        return None


@admin.register(Conversation)
class ConversationAdmin(FactsAdmin):
    list_display = ("opened_at", "user", "closed_at")
    list_select_related = ("user",)
    list_filter = (("closed_at", admin.EmptyFieldListFilter), "opened_at")
    search_fields = ("user__nickname", "=user__code")


@admin.register(ForwardedMessage)
class ForwardedMessageAdmin(FactsAdmin):
    list_display = ("id", "said_at", "user", "kind", "status", "try_count", "settled_at", "reason")
    list_select_related = ("conversation__user",)
    list_filter = ("status", "said_at")
    search_fields = ("=conversation__user__code", "=message_no")
    ordering = ("-id",)

    @admin.display(description="用户")
    def user(self, message: ForwardedMessage) -> str:
        return str(message.conversation.user)
