"""Operators' notes about groups."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from config.models.notes import Note
from groups.models.group import Group


class GroupNote(Note):
    """A note about a binding of a group, deleted when its user is erased."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="notes", verbose_name=_("群"))

    class Meta(Note.Meta):
        verbose_name, verbose_name_plural = _("群备注"), pgettext_lazy("plural", "群备注")
