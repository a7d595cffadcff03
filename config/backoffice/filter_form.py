"""The filters of a list as fields of one form, with the filters in force as chips that remove them."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.utils import timezone
from django.utils.translation import gettext

from config.backoffice.texts import Label
from config.platform.dates import day_of


@dataclass(frozen=True)
class Input:
    """An input of a filter: its query name, label, HTML type and value."""

    name: str
    label: Label
    kind: str
    value: str


@dataclass(frozen=True)
class Preset:
    """A range of days that one click chooses."""

    label: str
    address: str
    is_chosen: bool


@dataclass(frozen=True)
class FilterField:
    """A filter in the form: a choice with (value, text, is chosen) of its options, or inputs with presets."""

    title: Label
    name: str = ""
    options: list[tuple[str, Label, bool]] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    presets: list[Preset] = field(default_factory=list)
    chosen: str = ""  # the text of the chip, "" when the filter is not in force
    without: str = ""  # the address without this filter


def fields_of(change_list: Any) -> list[FilterField]:
    """Return the form's fields for the filters of a ChangeList."""
    return [
        _typed(spec, change_list) if hasattr(spec, "inputs") else _choice(spec, change_list)
        for spec in change_list.filter_specs
    ]


def _without(spec: Any, change_list: Any) -> str:
    return _address(change_list, dict.fromkeys(spec.expected_parameters()))


def _address(change_list: Any, new: dict[str, str | None]) -> str:
    return str(change_list.get_query_string({**new, PAGE_VAR: None}))


def _choice(spec: Any, change_list: Any) -> FilterField:
    """Return the field of a filter by given values. Django's filters state them as addresses only."""
    names = spec.expected_parameters()
    options, chosen = list[tuple[str, Label, bool]](), ""
    for number, choice in enumerate(spec.choices(change_list)):
        given = parse_qs(choice["query_string"].lstrip("?"))
        value = next((given[name][0] for name in names if name in given), "")
        options.append((value, choice["display"], choice["selected"]))
        if choice["selected"] and number and value:
            chosen = f"{spec.title}：{choice['display']}"
    return FilterField(
        spec.title, name=names[0], options=options, chosen=chosen, without=_without(spec, change_list)
    )


def _typed(spec: Any, change_list: Any) -> FilterField:
    """Return the field of a filter with inputs."""
    inputs = [Input(name, label, kind, spec.input_text(name)) for name, label, kind in spec.inputs]
    texts = [f"{each.label} {each.value}".strip() for each in inputs if each.value]
    return FilterField(
        spec.title,
        inputs=inputs,
        presets=_presets(inputs, change_list) if inputs[0].kind == "date" else [],
        chosen=f"{spec.title}：{' '.join(texts)}" if texts else "",
        without=_without(spec, change_list),
    )


def _presets(inputs: list[Input], change_list: Any) -> list[Preset]:
    """Return today, yesterday, the last seven days and this month for a filter by days."""
    today = day_of(timezone.now())
    yesterday = today - timedelta(days=1)
    ranges: list[tuple[str, date, date]] = [
        (gettext("今天"), today, today),
        (gettext("昨天"), yesterday, yesterday),
        (gettext("近 7 天"), today - timedelta(days=6), today),
        (gettext("本月"), today.replace(day=1), today),
    ]
    since, until = inputs
    return [
        Preset(
            label,
            _address(change_list, {since.name: str(first), until.name: str(last)}),
            (since.value, until.value) == (str(first), str(last)),
        )
        for label, first, last in ranges
    ]


def chips_of(change_list: Any) -> list[tuple[str, str]]:
    """Return (text, address without it) of the search and of each filter in force, related lists included."""
    found = [(each.chosen, each.without) for each in change_list.filter_fields if each.chosen]
    if change_list.query:
        found.insert(0, (f"“{change_list.query}”", _address(change_list, {SEARCH_VAR: None})))
    own = {own for own, _title in change_list.model_admin.reached_from.values()}
    related = [name for name in change_list.filter_params if name in own]
    return found + [(_related(change_list, name), _address(change_list, {name: None})) for name in related]


def _related(change_list: Any, lookup: str) -> str:
    """Return the title and the name of the row whose related rows the list shows."""
    model = change_list.model
    for part in lookup.split("__"):
        model = model._meta.get_field(part).related_model
    row = model._base_manager.filter(pk=change_list.filter_params[lookup][-1]).first()
    return f"{model._meta.verbose_name}：{row or '-'}"


def without_empty(query: Any) -> str | None:
    """Return the query string without empty values, which a form submits for unused inputs, or None without any."""
    if all(value for values in query.lists() for value in values[1]):
        return None
    return urlencode([(name, value) for name, values in query.lists() for value in values if value])
