"""Fixtures of the contract tests: the objects of good calls, and enforced authentication."""

from typing import Any

import pytest

from tests.contract.coverage import OPERATION
from tests.contract.objects import Objects


@pytest.fixture
def objects(sandbox: Any, db: None, settings: Any) -> Objects:
    settings.ENFORCE_AUTH = True
    settings.THROTTLE_RATES = dict.fromkeys(settings.THROTTLE_RATES, "1000/60")
    return Objects(sandbox)


@pytest.fixture(autouse=True)
def _note_operation(request: pytest.FixtureRequest) -> None:
    """Record the operation of a test for the summary."""
    operation = getattr(request.node, "callspec", None) and request.node.callspec.params.get("operation")
    if operation is not None and operation.number is not None:
        request.node.user_properties.append((OPERATION, operation.number))
