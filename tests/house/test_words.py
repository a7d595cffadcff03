"""Each text for operators is marked for translation, and the English catalogue has exactly the marked texts."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polib
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.utils.functional import Promise
from django.utils.translation.template import templatize

CATALOGUE = polib.pofile(str(settings.BASE_DIR / "config/locale/en/LC_MESSAGES/django.po"))
OURS = [config for config in apps.get_app_configs() if Path(config.path).parent == settings.BASE_DIR]
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop"}
CHINESE = re.compile("[\u4e00-\u9fff]")


def texts_of(source: str) -> set[str]:
    """Return the texts that Python source marks, as xgettext finds them: literals only."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    marked = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id in MARKS]
    return {node.value for node in marked if isinstance(node, ast.Constant)}


def texts_of_template(source: str) -> set[str]:
    calls = re.findall(r"(?:\b_|gettext)\((u?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))\)", templatize(source))
    return {ast.literal_eval(text) for text in calls}


def files(kind: str) -> Iterator[str]:
    for config in OURS:
        yield from (
            path.read_text() for path in Path(config.path).rglob(f"*.{kind}") if "migrations" not in path.parts
        )


def marked() -> set[str]:
    python = (texts_of(source) for source in files("py"))
    return set().union(*python, *(texts_of_template(source) for source in files("html")))


def labels() -> Iterator[tuple[Any, Any]]:
    """Yield (owner, label) of every label that the admin shows for an app, a model, a field, a choice or an action."""
    for config in OURS:
        yield config, config.verbose_name
        for model in config.get_models():
            yield from ((model, label) for label in (model._meta.verbose_name, model._meta.verbose_name_plural))
            for field in model._meta.fields:
                yield from ((field, label) for label in (field.verbose_name, field.help_text))
                yield from ((field, label) for _value, label in field.flatchoices)
    for page in admin.site._registry.values():
        yield page, page.search_help_text
        members = (member for kind in type(page).__mro__ for member in vars(kind).values())
        yield from ((member, getattr(member, "short_description", None)) for member in members)


def test_the_english_catalogue_has_exactly_the_marked_texts():
    assert {entry.msgid for entry in CATALOGUE} == marked(), "run 'make words' and translate what is new"


def test_every_text_has_an_english_word():
    assert [entry.msgid for entry in CATALOGUE if not entry.translated()] == [], "translate it in the catalogue"


def test_every_label_is_marked():
    chinese = [(owner, label) for owner, label in labels() if CHINESE.search(str(label or ""))]
    assert [(owner, label) for owner, label in chinese if not isinstance(label, Promise)] == []
    assert len(chinese) > 500


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (texts_of('x = _("甲" "乙"); y = gettext(name); z = other("丙")'), {"甲乙"}),
        (
            texts_of_template('{% translate "甲" %} 乙 {% blocktranslate %}丙 {{ n }}{% endblocktranslate %}'),
            {"甲", "丙 %(n)s"},
        ),
    ],
)
def test_marked_texts_are_found(found, expected):
    assert found == expected
