"""Models of the operators and of the changes that one administrator proposes for another operator."""

from typing import ClassVar, TypeAlias

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models.people import User, UserManager
from config.platform.constraints import empty, filled, filled_exactly_when


class OperatorManager(UserManager["Operator"]):
    def get_queryset(self) -> models.QuerySet["Operator"]:
        return super().get_queryset().filter(is_staff=True)


class Operator(User):
    """A user with `is_staff`, who works in the admin (proxy of User)."""

    objects: ClassVar[OperatorManager] = OperatorManager()  # type: ignore[assignment]  # the stubs let no proxy have a manager of its own

    class Meta:
        proxy = True
        verbose_name, verbose_name_plural = _("运营人员"), pgettext_lazy("plural", "运营人员")


class OperatorChangeKind(models.TextChoices):
    ADD = "add", _("新建运营人员")
    RIGHTS = "rights", _("修改权限")
    PASSWORD = "password", _("设置密码")
    SECOND_FACTOR = "second_factor", _("重置两步验证")


class OperatorChangeStatus(models.IntegerChoices):
    WAITING = 0, _("待另一名管理员确认")
    APPLIED = 1, _("已生效")
    REFUSED = 2, _("已拒绝")


class OperatorChange(models.Model):
    """A change of an operator who moves money. One administrator proposes it, another one confirms or refuses it."""

    Kind: TypeAlias = OperatorChangeKind

    Status: TypeAlias = OperatorChangeStatus

    kind = models.CharField(_("变更内容"), max_length=16, choices=Kind.choices)
    username = models.CharField(_("登录名"), max_length=64)
    # None for a new operator. `before` and `values` are rights in the form of accounts.operator_changes.
    operator = models.ForeignKey(
        Operator, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("运营人员")
    )
    before = models.JSONField(_("原权限"), null=True, blank=True, editable=False)
    values = models.JSONField(_("新权限"), null=True, blank=True, editable=False)
    password = models.CharField(max_length=128, blank=True, editable=False)  # hashed; empty after the decision
    of_superuser = models.BooleanField(_("超级用户"), default=False)  # only superusers decide
    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.WAITING)
    asked_at = models.DateTimeField(_("提交时间"))
    asked_by = models.CharField(_("提交人"), max_length=80)
    decided_at = models.DateTimeField(_("确认时间"), null=True, blank=True)
    decided_by = models.CharField(_("确认人"), max_length=80, blank=True)
    reason = models.CharField(_("拒绝原因"), max_length=200, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("运营人员变更"), pgettext_lazy("plural", "运营人员变更")
        permissions = [("decide_operatorchange", "确认运营人员变更")]
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(asked_by=""), name="operator_change_names_who_asked"),
            models.CheckConstraint(
                condition=filled_exactly_when(~Q(kind=OperatorChangeKind.ADD), "operator"),
                name="operator_change_has_its_operator",
            ),
            models.CheckConstraint(
                condition=Q(status=OperatorChangeStatus.WAITING) & empty("decided_at", texts=["decided_by"])
                | Q(status__in=[OperatorChangeStatus.APPLIED, OperatorChangeStatus.REFUSED])
                & filled("decided_at", texts=["decided_by"])
                & empty(texts=["password"]),
                name="operator_change_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(status=OperatorChangeStatus.APPLIED, decided_by=F("asked_by"))
                & ~Q(status=OperatorChangeStatus.APPLIED, decided_by=F("username")),
                name="operator_change_is_of_two_people",
            ),
            models.UniqueConstraint(
                fields=["username", "kind"],
                condition=Q(status=OperatorChangeStatus.WAITING),
                name="one_waiting_change_per_operator_and_kind",
            ),
        ]
        indexes = [models.Index(fields=["status", "-id"], name="operator_changes_by_status")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.username}"
