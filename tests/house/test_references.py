"""Files, modules and names that pages, docstrings and comments mention exist."""

import re
from pathlib import Path

import pytest

from tests.support.paths import PROJECT
from tests.support.references import missing_files, missing_members, missing_names

# The recipes of CONTRIBUTING.md add these.
RECIPES = {
    "group_renamed",
    "integrations.sandbox.weather",
    "integrations.sandbox.weather.FakeWeather",
    "integrations.weather",
    "integrations.weather.Weather",
    "integrations/sandbox/weather.py",
    "integrations/weather.py",
    "tests/groups/test_renaming.py",
}


def unexpected(missing: list[str]) -> list[str]:
    return [one for one in missing if one.removeprefix("CONTRIBUTING.md: ") not in RECIPES]


def test_every_file_that_is_mentioned_exists():
    assert unexpected(missing_files(PROJECT)) == []


def test_every_module_and_member_that_is_mentioned_exists():
    assert unexpected(missing_members(PROJECT)) == []


def test_every_name_between_back_ticks_of_a_page_occurs_in_the_code():
    assert unexpected(missing_names(PROJECT)) == []


def test_no_test_module_imports_another():
    modules = [(path, path.read_text()) for path in (PROJECT / "tests").rglob("test_*.py")]
    assert [
        path.name for path, text in modules if re.search(r"^from tests\.(\w+\.)*test_", text, re.MULTILINE)
    ] == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with one package, `groups`, whose module `members` has the function `rename` and a class."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups/__init__.py").write_text("")
    (tmp_path / "groups/members.py").write_text("def rename(): pass\nclass Member:\n    MAX = 1")
    return tmp_path


def test_what_exists_is_not_missing(tree: Path):
    text = (
        "`groups/members.py`, groups.members.rename, groups.members.Member.MAX, groups.members, `MAX_1` of groups/"
    )
    (tree / "docs/page.md").write_text(text)
    (tree / "groups/messages.py").write_text("MAX_1 = 1  # docs/page.md")
    assert [*missing_files(tree), *missing_members(tree), *missing_names(tree)] == []


@pytest.mark.parametrize("text", ["see `groups/naming.py`", "[a link](groups/naming.py)", "groups/naming/page.md"])
def test_a_missing_file_is_found(tree: Path, text: str):
    (tree / "docs/page.md").write_text(text)
    assert len(missing_files(tree)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "groups.naming",
        "`groups.members.take_info`",
        "groups.members.Member.MIN",
        "```python\nfrom groups.members import take_info\n```",
    ],
)
def test_a_missing_module_or_member_is_found(tree: Path, text: str):
    (tree / "docs/page.md").write_text(text)
    assert len(missing_members(tree)) == 1


def test_a_missing_member_is_found_in_docstrings_and_comments(tree: Path):
    (tree / "groups/messages.py").write_text('"""See groups.members.take_info."""\n# as in groups.naming')
    assert missing_members(tree) == [
        "groups/messages.py:1: groups.members.take_info",
        "groups/messages.py:2: groups.naming",
    ]


@pytest.mark.parametrize("name", ["take_info", "TakeInfo", "OF_COMMAND", "take_info()"])
def test_a_missing_name_is_found(tree: Path, name: str):
    (tree / "README.md").write_text(f"Call `{name}`.")
    assert len(missing_names(tree)) == 1
