"""Rules of the project that linters cannot check."""

import re
from pathlib import Path

import pytest
from django.contrib import admin
from django.urls import URLPattern, get_resolver

from config.api.codes import MEANINGS
from config.api.permissions import Nobody
from config.errors import Code, Refusal
from tests.support.paths import PROJECT
from tests.support.project import APPS, MODELS, SOURCES

# Models whose rows operators see on another page or do not need to see.
WITHOUT_PAGE = {
    "DayFigure",
    "OperatorSession",
    "VerificationCode",
    "CompletionKey",
    "IdentityHashKey",
    "EndedBlock",
    "SweepLease",
    "ProblemAnswer",
    "UserNote",
    "GroupNote",
    "SwitchChange",
    "RedPacketOpening",
    "StarRating",
    "MessageAttempt",
    "WithdrawalStep",
    "GroupDay",
    "PaidDays",
    "MemberMove",
    "Reminder",
    "GroupKeyword",
    "KeywordReply",
    "CallbackDigest",
    "GroupReads",
    "MassMessageGroup",
}


def _views(patterns):
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            if hasattr(pattern.callback, "cls"):
                yield pattern.callback
        else:
            yield from _views(pattern.url_patterns)


VIEWS = list(
    {
        view.cls: view for view in _views(get_resolver().url_patterns) if view.cls.__module__.split(".")[0] in APPS
    }.values()
)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.cls.__name__)
def test_every_operation_states_who_may_call_it_and_is_documented(view):
    for action in view.actions.values():
        stated = view.cls(action=action).get_permissions()
        assert not any(isinstance(permission, Nobody) for permission in stated)
        assert getattr(view.cls, action).operation.summary


def test_every_code_has_a_meaning():
    assert set(MEANINGS) == set(Code)


def _all_below(kind):
    for below in kind.__subclasses__():
        yield below
        yield from _all_below(below)


@pytest.mark.parametrize(
    "error",
    sorted(set(_all_below(Refusal)), key=lambda error: (error.__module__, error.__name__)),
    ids=lambda error: error.__name__,
)
def test_every_error_is_a_chinese_sentence_with_its_field_behind_it(error):
    assert re.match("[\u4e00-\u9fff]", error.message)
    assert re.findall("[,;:()!?]", error.message) == []
    assert error().description.endswith(f"（{error.field}）" if error.field else error.message)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_a_page_or_a_reason(model):
    assert (model in admin.site._registry) != (model.__name__ in WITHOUT_PAGE)


@pytest.mark.parametrize(
    "model", [model for model in MODELS if not model._meta.proxy], ids=lambda model: model.__name__
)
def test_every_list_has_an_order_and_the_order_is_unique(model):
    if model.__name__ in ("EarningsRules", "VerificationCode"):
        return
    last = [str(name).lstrip("-") for name in model._meta.ordering]
    unique = {field.name for field in model._meta.fields if field.unique} | {"id", "pk"}
    together = [set(one.fields) for one in model._meta.constraints if getattr(one, "fields", None)]
    assert unique & ({name.removesuffix("_id") for name in last} | set(last)) or any(
        one <= set(last) for one in together
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_by_has_its_at(model):
    names = {field.name for field in model._meta.fields}
    for name in names:
        if name.endswith("_by") and not name.startswith("taken"):
            assert f"{name[:-3]}_at" in names


def test_no_file_holds_two_subjects():
    assert {
        path.name: len(path.read_text().splitlines())
        for path in SOURCES
        if len(path.read_text().splitlines()) > 360 and path.name != "settings.py"  # one subject, however many
    } == {}


def test_every_signal_is_in_the_architecture():
    page = (PROJECT / "docs/architecture.md").read_text()
    signals = {
        name
        for path in PROJECT.glob("*/signals.py")
        for name in re.findall(r"^(\w+) = Signal\(", path.read_text(), re.MULTILINE)
    }
    assert len(signals) >= 4
    for signal in signals:
        assert f"`{signal}`" in page


def test_every_environment_variable_is_in_the_example():
    source = (PROJECT / "config/settings.py").read_text() + (PROJECT / "gunicorn.conf.py").read_text()
    names = set(re.findall(r'(?:env\.\w+|_needed)\(\s*"([A-Z_0-9]+)"', source))
    example = (PROJECT / ".env.example").read_text()
    assert {name for name in names if f"\n#{name}=" not in example} == set()


PAGES = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob(".github/**/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_named_file_exists(page: Path):
    for link in re.findall(r"\]\((?!http|#)([^)#]+)[^)]*\)", page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("name", ["README", "docs/tour", "docs/configuration"])
def test_a_page_and_its_chinese_twin_show_the_same_commands_and_settings(name: str):
    def shown(page: str) -> list[str]:
        text = (PROJECT / page).read_text()
        return re.findall(r"```sh\n(.*?)```", text, re.DOTALL) + sorted(re.findall(r"`([A-Z_]{5,})`", text))

    assert shown(f"{name}.md") == shown(f"{name}.zh.md")


def test_the_readme_is_read_in_a_minute():
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 70


@pytest.mark.parametrize("name", ["requirements", "requirements-dev", "requirements-bench"])
def test_every_package_is_locked_with_its_hashes(name: str):
    """Transitive dependencies are locked too, so that a later installation is identical."""
    wanted = re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)", (PROJECT / f"{name}.in").read_text(), re.MULTILINE)
    entries = re.split(r"^(?=[\w])", (PROJECT / f"{name}.txt").read_text(), flags=re.MULTILINE)[1:]
    locked = {entry.partition("==")[0].replace("_", "-").lower(): entry for entry in entries}
    assert [
        entry for entry in entries if not re.match(r"\S+==\S+ \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+", entry)
    ] == []
    assert [
        one
        for one, version in wanted
        if not locked[one.replace("_", "-").lower()].partition("==")[2].startswith(f"{version} ")
    ] == []
