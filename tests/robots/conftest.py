"""Fixtures of the tests of robots: the robot that the sandbox lists."""

import pytest

from robots.models import Robot
from tests.factories.people import RobotFactory


@pytest.fixture
def robot(sandbox) -> Robot:
    return RobotFactory(code="sandbox-robot-1")
