"""docs/api.md is what the table says, and the tests that it names are there."""

import pytest

from tests.contract.operations import OPERATIONS
from tests.contract.page import COMMAND, PAGE, PROJECT, page
from tests.contract.table import Operation


def test_the_page_is_what_the_table_says():
    assert PAGE.read_text() == page(OPERATIONS), f"run {COMMAND}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_the_tests_of_its_rules_call_the_operation(operation: Operation):
    """The fixed parts of its path stand in the file that is said to prove it."""
    text = (PROJECT / operation.rules).read_text()
    fixed = max(operation.path.split("/{")[0].lstrip("/").split("}"), key=len)
    assert fixed in text
