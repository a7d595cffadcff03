"""Entries of the audit log as a person reads them: names of rows, labels of choices, local times, and pages by their titles."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import unescape
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group as Role
from django.core.exceptions import ValidationError
from django.db.models import Field, ForeignKey, Model
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice import roles
from config.backoffice.readable import moments_in, shortened, shown
from config.backoffice.texts import Label
from config.models import AuditEntry
from config.platform import audit

# Tables without a model of ours, or whose model has no Chinese name.
_TABLES: dict[str, Label] = {
    "accounts_user_groups": _("运营人员的角色"),
    "accounts_user_user_permissions": _("运营人员的权限"),
    "auth_group_permissions": _("角色的权限"),
    "auth_group": _("角色"),
    "auth_permission": _("权限"),
    "otp_totp_totpdevice": _("两步验证"),
    "otp_static_staticdevice": _("恢复码"),
    "otp_static_statictoken": _("恢复码"),
}
_COLUMNS: dict[str, Label] = {
    "file": _("文件"),
    "filter": _("筛选"),
    "group_id": _("角色"),
    "password": _("密码"),
    "key_hash": _("密钥"),
    "sealed_key": _("密钥"),
    "token": _("恢复码"),
    "key": _("密钥"),
}
_PAGE = re.compile(r"/admin/(?P<app>\w+)/(?P<model>\w+)/(?:(?P<rest>.*?)/)? ?(?P<action>\w*)")
_OPERATION = re.compile(r"(POST|PUT|PATCH|DELETE) (/.*)")
_OTHER_PAGES: dict[str, Label] = {
    "/admin/two-factor/": _("两步验证"),
    "/admin/sessions/": _("我的登录"),
    "/admin/login/": _("登录"),
    "/admin/password_change/": _("修改密码"),
}
_OTHER_VIAS: dict[str, Label] = {
    "add": _("新增"),
    "change": _("修改"),
    "delete": _("删除"),
    "password": _("设置密码"),
}
_LONGEST = 60  # characters of a value in the list


class Change(NamedTuple):
    """A changed column with its values as text."""

    name: str
    before: str
    after: str


class RowNames:
    """The names of the rows that entries are about or refer to, read with one query for each model."""

    def __init__(self, entries: Sequence[AuditEntry]) -> None:
        wanted: dict[type[Model], set[str]] = defaultdict(set)
        for entry in entries:
            model = audit.model_of(entry)
            if model is None:
                continue
            if not model._meta.auto_created:
                wanted[model].add(entry.row_id)
            for field, values in _references(model, entry.changes):
                wanted[field.related_model].update(map(str, values))
        self._names = {(model, key): name for model, keys in wanted.items() for key, name in _names(model, keys)}

    def of(self, model: type[Model], key: Any) -> str:
        return self._names.get((model, str(key)), "")


def _references(model: type[Model], changes: dict[str, Any]) -> Iterable[tuple[Any, list[Any]]]:
    """Yield the foreign keys among changed columns with their values."""
    for field in model._meta.concrete_fields:
        if isinstance(field, ForeignKey) and field.column in changes:
            yield field, [value for value in changes[field.column] if value is not None and value != "•••"]


def _names(model: type[Model], keys: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Yield (key, name) of the rows of a model that exist, read as its own list reads them."""
    model_admin: Any = admin.site._registry.get(model)
    related = getattr(model_admin, "list_select_related", ())
    rows = model._base_manager.select_related(*related) if related else model._base_manager.all()
    for row in rows.filter(pk__in=[key for key in keys if _is_key(model, key)]):
        yield str(row.pk), roles.title_of(row.name) if isinstance(row, Role) else str(row)


def _is_key(model: type[Model], key: str) -> bool:
    try:
        model._meta.pk.to_python(key)
    except ValidationError:
        return False
    return True


def table_titles() -> list[tuple[str, Label]]:
    """Return (table, title) of all tables that have entries, by title."""
    titles = [(model._meta.db_table, table_title(model)) for model in audit.audited_models()]
    return sorted(titles, key=lambda pair: str(pair[1]))


def table_title(model: type[Model]) -> Label:
    return _TABLES.get(model._meta.db_table, str(model._meta.verbose_name))


def subject(entry: AuditEntry, names: RowNames) -> SafeString:
    """Return the kind and name of the changed row, with a link to its page."""
    model = audit.model_of(entry)
    if model is None:
        return format_html("{} {}", entry.table_name, entry.row_id)
    title = table_title(model)
    if model._meta.auto_created or not entry.row_id:
        return format_html("{}", title)
    name = names.of(model, entry.row_id)
    if not name:
        return format_html("{}", gettext("%s（已不存在）") % title)
    try:
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[entry.row_id])
    except NoReverseMatch:
        return format_html("{} {}", title, name)
    return format_html('{} <a href="{}">{}</a>', title, page, name)


def changes_of(entry: AuditEntry, names: RowNames) -> list[Change]:
    """Return the changed columns with their values as text."""
    model = audit.model_of(entry)
    fields = {field.column: field for field in model._meta.concrete_fields} if model else {}
    found = []
    for column, (before, after) in entry.changes.items():
        field = fields.get(column)
        is_key = field is not None and field.primary_key and not isinstance(field, ForeignKey)
        if is_key and entry.row_id:
            continue  # the number of the row itself
        title = _COLUMNS.get(column) or (field.verbose_name if field is not None else column)
        found.append(Change(str(title), _value(field, before, names), _value(field, after, names)))
    return found


def as_line(value: str) -> str:
    """Return a value as text for the list, without the tables of JSON columns."""
    text = (
        " ".join(unescape(strip_tags(value.replace("<", " <"))).split()) if isinstance(value, SafeString) else value
    )
    return shortened(text, _LONGEST)


def _value(field: "Field[Any, Any] | None", value: Any, names: RowNames) -> str:
    """Return a value as its label or name, or as text; values of JSON columns as lines and tables."""
    if value is None or value == "":
        return "-"
    if isinstance(field, ForeignKey) and value != "•••":
        return names.of(field.related_model, value) or gettext("（已不存在）")
    for choice, label in field.flatchoices if field is not None else ():
        if str(choice) == str(value):
            return str(label)
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    return shown(value) if isinstance(value, dict | list) else moments_in(str(value))


def entrance(via: str) -> str:
    """Return the page and action of an entry, or the operation of the API. Other entrances are returned as they are."""
    if via in _OTHER_PAGES:
        return " · ".join([gettext("后台"), str(_OTHER_PAGES[via])])
    if operation := _OPERATION.fullmatch(via):
        return " · ".join([gettext("接口"), _summary(*operation.groups()) or via])
    found = _PAGE.fullmatch(via)
    if found is None:
        return via
    try:
        model = apps.get_model(found["app"], found["model"])
    except LookupError:
        return via
    parts = [gettext("后台"), str(model._meta.verbose_name), _done(model, found["rest"] or "", found["action"])]
    return " · ".join(part for part in parts if part)


def _summary(method: str, path: str) -> str:
    """Return the summary of an operation of the API, "" for an unknown one."""
    try:
        view: Any = resolve(path).func
        name = view.actions[method.lower()]
        return str(getattr(view.cls, name).operation.summary)
    except (Resolver404, AttributeError, KeyError):
        return ""


def _done(model: type[Model], rest: str, action: str) -> str:
    """Return the label of the action, button or form."""
    name = action or rest.rpartition("/")[2]
    method = getattr(admin.site._registry.get(model), name, None)
    label = getattr(method, "short_description", "") or _OTHER_VIAS.get(name, "")
    return str(label)
