"""Optimistic locking of admin forms: a form does not overwrite changes that were saved after it was opened.

Each form carries a fingerprint of its initial values. The second operator to save sees who saved first.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.forms.models import BaseModelFormSet
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from config.models import AuditEntry
from config.platform.dates import day_of, shanghai_time

OPENED = "opened_version"


class VersionedForm(forms.ModelForm):
    """A form that refuses to save when the row has changed since the form was opened."""

    @property
    def opened_version(self) -> str:
        """Return the fingerprint for the page. A form with errors keeps the fingerprint with which it was opened."""
        return str(self.data.get(OPENED, "")) if self.is_bound else self._version

    @property
    def _version(self) -> str:
        return _fingerprint([(self.instance.pk, self.initial)])

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.instance.pk is not None and self.opened_version != self._version:
            raise _conflict(type(self.instance), [self.instance.pk])
        return cleaned


class VersionedFormSet(BaseModelFormSet):
    """A formset, for lists that are edited in place, with one fingerprint for all its rows."""

    model: type[Model]

    def __init__(self, data: Any = None, files: Any = None, *, queryset: Any = None, **options: Any) -> None:
        """Lock the rows of a list that is saved, so that a second save at the same time sees the first."""
        if data is not None and isinstance(queryset, QuerySet):
            queryset = queryset.select_for_update(of=("self",))
        super().__init__(data, files, queryset=queryset, **options)

    @cached_property
    def management_form(self) -> Any:
        form = BaseModelFormSet.management_form.func(self)  # type: ignore[attr-defined]  # the stubs have a property
        if not self.is_bound:
            form.fields[OPENED] = forms.CharField(widget=forms.HiddenInput, initial=self._version)
        return form

    @property
    def _version(self) -> str:
        return _fingerprint((form.instance.pk, form.initial) for form in self.initial_forms)

    def clean(self) -> None:
        super().clean()
        if self.data.get(f"{self.prefix}-{OPENED}") != self._version:
            raise _conflict(self.model, [form.instance.pk for form in self.initial_forms])


def versioned(form: Any) -> Any:
    """Return a subclass of this form class that checks the version."""
    return type(form)(form.__name__, (VersionedForm, form), {})


def _fingerprint(rows: Iterable[tuple[Any, Mapping[str, Any]]]) -> str:
    """Return the fingerprint of rows: (primary key, {field: value})."""
    written = sorted(f"{pk} {sorted((name, _plain(value)) for name, value in row.items())}" for pk, row in rows)
    return hashlib.sha256("\n".join(written).encode()).hexdigest()[:16]


def _plain(value: Any) -> str:
    """Return a value as text; for related rows, their sorted keys."""
    if isinstance(value, list | tuple | set):
        return ",".join(sorted(str(item.pk if isinstance(item, Model) else item) for item in value))
    return str(value)


def _conflict(model: type[Model], keys: Iterable[Any]) -> ValidationError:
    """Return the refusal, which names the operator who last changed one of these rows."""
    last = AuditEntry.objects.filter(_entries_of(model, [str(key) for key in keys])).order_by("-id").first()
    if last is None:  # changed by a command or by plain SQL
        return ValidationError(_("内容已被修改，请重新打开"), code="changed_meanwhile")
    moment = shanghai_time(last.noted_at)
    when = moment[11:16] if day_of(last.noted_at) == day_of(timezone.now()) else moment[:16]
    params = {"name": last.actor, "when": when}
    return ValidationError(_("已被 %(name)s 于 %(when)s 修改，请重新打开") % params, code="changed_meanwhile")


def _entries_of(model: type[Model], keys: list[str]) -> Q:
    """Return the filter for entries of these rows and of their many-to-many rows (an operator's roles)."""
    entries = Q(table_name=model._meta.db_table, row_id__in=keys)
    for field in model._meta.many_to_many:
        through: Any = field.remote_field.through
        own = f"changes__{through._meta.get_field(field.m2m_field_name()).column}__contains"
        entries |= Q(Q(*[Q(**{own: key}) for key in keys], _connector=Q.OR), table_name=through._meta.db_table)
    return entries
