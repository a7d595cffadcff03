"""The words operators see can be switched to English: every label is looked up in `locale/` when it is shown.

Labels are written in Chinese where they belong (models, admin classes), without a wrapper around each; here they are
made translatable in one pass, after everything is loaded.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.utils.encoding import force_str
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

_APPS = (
    "config",
    "integrations",
    "accounts",
    "robots",
    "groups",
    "keywords",
    "launches",
    "earnings",
    "feedback",
)


def translate_labels() -> None:
    """Make apps', models', fields', choices' and actions' labels translatable."""
    for owner, name, label in labels():
        setattr(owner, name, gettext_lazy(label))
    for field in _fields():
        if field.choices:
            field.choices = [(value, gettext_lazy(force_str(label))) for value, label in field.flatchoices]


def labels() -> Iterator[tuple[Any, str, str]]:
    """(owner, attribute, Chinese words) of every label but those of choices."""
    owners: list[tuple[Any, tuple[str, ...]]] = [(apps.get_app_config(room), ("verbose_name",)) for room in _APPS]
    owners += [(model._meta, ("verbose_name", "verbose_name_plural")) for model in _models()]
    owners += [(field, ("verbose_name", "help_text")) for field in _fields()]
    owners += [(function, ("short_description",)) for function in _functions()]
    owners += [(model_admin, ("search_help_text",)) for model_admin in admin.site._registry.values()]
    for owner, names in owners:
        for name in names:
            words = getattr(owner, name, None)
            if words and not isinstance(words, Promise):
                yield owner, name, words


def choice_labels() -> set[str]:
    """The Chinese words of all choices."""
    return {force_str(label) for field in _fields() for _value, label in field.flatchoices or ()}


def _models() -> list[Any]:
    return [model for room in _APPS for model in apps.get_app_config(room).get_models()]


def _fields() -> list[Any]:
    return [field for model in _models() for field in model._meta.fields if field.model is model]


def _functions() -> list[Any]:
    """Columns and actions of admin classes that are functions with a description."""
    found = []
    for model_admin in admin.site._registry.values():
        for kind in type(model_admin).__mro__:
            found += [one for one in vars(kind).values() if hasattr(one, "short_description")]
    return found
