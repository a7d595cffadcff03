"""Models of the back office: the audit log, the figures of past days, and operators' sessions."""

from importlib import import_module
from typing import Any

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from config.platform.dates import shanghai_time
from config.platform.triggers import Forbid, Rule

_ONLY_MASKED = """
    IF (NEW.id, NEW.noted_at, NEW.actor, NEW.via, NEW.action, NEW.table_name, NEW.row_id) IS DISTINCT FROM
       (OLD.id, OLD.noted_at, OLD.actor, OLD.via, OLD.action, OLD.table_name, OLD.row_id)
        OR EXISTS (
            SELECT 1 FROM jsonb_each(OLD.changes) AS before(name, value)
            FULL JOIN jsonb_each(NEW.changes) AS after(name, value) USING (name)
            WHERE before.value IS NULL OR after.value IS NULL
                OR (before.value <> after.value AND after.value <> '["•••", "•••"]')
        ) THEN
        RAISE EXCEPTION 'the audit log is append-only'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'audit_is_append_only';
    END IF;
    RETURN NEW;
"""


class AuditEntry(models.Model):
    """A row that an operator changed, with its values before and after.
    Triggers write the entries (config.platform.audit). An entry is kept; only its values may be masked.
    """

    class Action(models.TextChoices):
        ADDED = "I", _("新增")
        CHANGED = "U", _("修改")
        DELETED = "D", _("删除")
        EXPORTED = "E", _("导出")

    id = models.BigAutoField(primary_key=True)
    noted_at = models.DateTimeField(_("时间"))
    actor = models.CharField(_("操作人"), max_length=80)
    via = models.CharField(_("入口"), max_length=200, blank=True)
    action = models.CharField(_("动作"), max_length=1, choices=Action.choices)
    table_name = models.CharField(_("数据表"), max_length=63)
    row_id = models.CharField(_("对象编号"), max_length=128, blank=True)
    changes = models.JSONField(_("变更"), default=dict)  # {column: [before, after]}

    class Meta:
        verbose_name, verbose_name_plural = _("操作日志"), pgettext_lazy("plural", "操作日志")
        permissions = [("export_lists", "导出列表")]  # each export is an entry of this log
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=~Q(actor=""), name="audit_entry_names_somebody")]
        indexes = [
            models.Index(fields=["table_name", "row_id", "-id"], name="audit_of_a_row"),
            models.Index(fields=["actor", "-id"], name="audit_of_an_actor"),
            models.Index(fields=["row_id", "-id"], name="audit_of_an_id"),
            models.Index(fields=["action", "-id"], name="audit_by_action"),
            # the sign-outs in the timeline of a user
            models.Index(
                fields=["table_name", "row_id", "-noted_at"],
                condition=Q(changes__has_key="signed_out_at"),
                name="audit_of_sign_outs",
            ),
            BrinIndex(fields=["noted_at"], name="audit_by_moment", pages_per_range=32, autosummarize=True),
        ]
        triggers = [
            Forbid(
                name="append_only",
                level=pgtrigger.Statement,
                operation=pgtrigger.Delete,
                constraint="audit_is_append_only",
                error_code="restrict_violation",
                message="the audit log is append-only",
            ),
            Rule(name="only_masked", when=pgtrigger.Before, operation=pgtrigger.Update, func=_ONLY_MASKED),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.get_action_display()} {shanghai_time(self.noted_at)}"


class DayFigure(models.Model):
    """A value of one past day for a chart of the home page, computed once."""

    name = models.CharField(max_length=64)
    day = models.DateField()
    value = models.DecimalField(max_digits=16, decimal_places=2)

    class Meta:
        verbose_name, verbose_name_plural = _("每日数字"), pgettext_lazy("plural", "每日数字")
        ordering = ["name", "day"]
        constraints = [models.UniqueConstraint(fields=["name", "day"], name="one_figure_per_name_and_day")]

    def __str__(self) -> str:
        return f"{self.name} {self.day}"


class OperatorSession(AbstractBaseSession):
    """A session of the admin with its operator and its last use (config.backoffice.sessions)."""

    # No constraint: SessionStore.create() reads every violation as a session key in use, and would retry for ever.
    operator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        db_constraint=False,
        related_name="+",
        verbose_name=_("运营人员"),
    )
    last_used_at = models.DateTimeField(_("最近使用"))

    class Meta:
        verbose_name, verbose_name_plural = _("登录会话"), pgettext_lazy("plural", "登录会话")
        ordering = ["-last_used_at", "session_key"]

    def __str__(self) -> str:
        return shanghai_time(self.last_used_at)

    @classmethod
    def get_session_store_class(cls) -> Any:
        return import_module(settings.SESSION_ENGINE).SessionStore
