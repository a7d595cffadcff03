"""Notes of operators about a person or a group."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from config.platform.dates import shanghai_time

LONGEST_NOTE = 1000  # characters


class Note(models.Model):
    """A note of an operator, which users never see. Subclasses add what it is about."""

    text = models.CharField(_("备注"), max_length=LONGEST_NOTE)
    written_at = models.DateTimeField(_("时间"))
    written_by = models.CharField(_("运营人员"), max_length=80)

    class Meta:
        abstract = True
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(text="") & ~models.Q(written_by=""), name="%(class)s_has_text_and_author"
            )
        ]

    def __str__(self) -> str:
        return f"{self.written_by} {shanghai_time(self.written_at)}"
