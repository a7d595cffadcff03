"""Tests of one group run on one worker, one after another."""

import os

import pytest


@pytest.mark.xdist_group("an-example")
def test_pytest_xdist_sees_the_group_of_a_test(request: pytest.FixtureRequest):
    """pytest 9.2 with pytest-xdist 3.8 ignored all groups: products that share ports and CPU started side by side."""
    is_alone = "PYTEST_XDIST_WORKER" not in os.environ
    assert is_alone or request.node.nodeid.endswith("@an-example")
