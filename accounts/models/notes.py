"""Model of operators' notes about users."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models.people import User
from config.models.notes import Note


class UserNote(Note):
    """A note about a user, deleted when the user is erased."""

    user = models.ForeignKey(User, models.CASCADE, related_name="notes", verbose_name=_("用户"))

    class Meta(Note.Meta):
        verbose_name, verbose_name_plural = _("用户备注"), pgettext_lazy("plural", "用户备注")
