"""The translation of the admin's labels to English: every label is looked up in `locale/` when it is shown.

Labels are written in Chinese in models and admin classes without a gettext call around each. After all apps are loaded,
this module makes them translatable.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.utils.encoding import force_str
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy


def translate_labels() -> None:
    """Make the labels of apps, models, fields, choices and actions translatable."""
    for owner, name, label in labels():
        setattr(owner, name, gettext_lazy(label))
    for field in _fields():
        if field.choices:
            field.choices = [(value, gettext_lazy(force_str(label))) for value, label in field.flatchoices]


def labels() -> Iterator[tuple[Any, str, str]]:
    """Yield (owner, attribute, Chinese text) of every label except those of choices."""
    owners: list[tuple[Any, tuple[str, ...]]] = [
        (apps.get_app_config(app_label), ("verbose_name",)) for app_label in settings.LOCAL_APPS
    ]
    owners += [(model._meta, ("verbose_name", "verbose_name_plural")) for model in _models()]
    owners += [(field, ("verbose_name", "help_text")) for field in _fields()]
    owners += [(function, ("short_description",)) for function in _functions()]
    owners += [(model_admin, ("search_help_text",)) for model_admin in admin.site._registry.values()]
    for owner, names in owners:
        for name in names:
            text = getattr(owner, name, None)
            if text and not isinstance(text, Promise):
                yield owner, name, text


def choice_labels() -> set[str]:
    """Return the Chinese labels of all choices."""
    return {force_str(label) for field in _fields() for _value, label in field.flatchoices or ()}


def _models() -> list[Any]:
    return [model for app_label in settings.LOCAL_APPS for model in apps.get_app_config(app_label).get_models()]


def _fields() -> list[Any]:
    return [field for model in _models() for field in model._meta.fields if field.model is model]


def _functions() -> list[Any]:
    """Return the columns and actions of admin classes that are functions with a description."""
    found = []
    for model_admin in admin.site._registry.values():
        for kind in type(model_admin).__mro__:
            found += [member for member in vars(kind).values() if hasattr(member, "short_description")]
    return found
