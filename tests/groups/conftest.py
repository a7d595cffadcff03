"""Fixtures of most tests of groups: a user and a robot."""

import pytest

from robots.models import Robot
from tests.factories.people import RobotFactory


@pytest.fixture
def robot() -> Robot:
    return RobotFactory(code="r1")
