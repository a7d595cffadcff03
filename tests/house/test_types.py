"""Types are checked strictly, and each exception from the check has its reason."""

import re
import tomllib

import pytest

from tests.support.paths import PROJECT
from tests.support.project import SOURCES

IGNORED = re.compile(r"# type: ignore(?!\[[\w-]+\]  # \w)")


def test_mypy_is_strict():
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"] is True
    assert settings["exclude"] == ["migrations/", "^tests/"]


def test_an_ignored_type_names_one_error_and_its_reason():
    assert [(path.name, line) for path in SOURCES for line in IGNORED.findall(path.read_text())] == []


@pytest.mark.parametrize(
    "comment", ["# type: ignore", "# type: ignore[misc]", "# type: ignore[misc, arg-type]  # why"]
)
def test_the_search_finds_an_ignored_type_without_a_reason(comment: str):
    assert IGNORED.search(f"x = 1  {comment}")
