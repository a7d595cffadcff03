"""Page of the standard replies, which operators insert into their answers."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models

from config.backoffice.base import ListAdmin
from config.backoffice.texts import VisibleCharField
from feedback.models import StandardReply


@admin.register(StandardReply)
class StandardReplyAdmin(ListAdmin):
    list_display = ("title", "text")
    formfield_overrides: ClassVar[Any] = {
        **ListAdmin.formfield_overrides,
        models.TextField: {"form_class": VisibleCharField, "widget": forms.Textarea(attrs={"rows": 6, "cols": 60})},
    }
