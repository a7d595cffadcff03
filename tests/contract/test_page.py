"""docs/api.md matches the contract table, and the tests that it names exist."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.contract.operations import OPERATIONS
from tests.contract.page import COMMAND, PAGE, PROJECT, page
from tests.contract.table import Operation


def test_the_page_matches_the_table():
    assert PAGE.read_text() == page(OPERATIONS), f"run {COMMAND}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_the_tests_of_its_rules_call_the_operation(operation: Operation):
    """The file with the tests of its rules, or a helper that it imports, contains the fixed part of its path."""
    text = (PROJECT / operation.rules).read_text()
    for module in re.findall(r"^from (tests\.\S+) import", text, re.MULTILINE):
        text += Path(str(import_module(module).__file__)).read_text()
    fixed = max(operation.path.split("/{")[0].lstrip("/").split("}"), key=len)
    assert fixed in text
