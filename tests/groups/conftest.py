"""Fixtures of most tests of groups: a user and a robot."""

import pytest

from accounts.models import User
from robots.models import Robot
from tests.factories.people import RobotFactory, UserFactory


@pytest.fixture
def alice() -> User:
    return UserFactory(code="wx-alice")


@pytest.fixture
def robot() -> Robot:
    return RobotFactory(code="r1")
