"""Texts are stripped before their length is checked, in linear time."""

import time

import pytest

from tests.factories.people import UserFactory
from tests.support.client import ApiClient

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("blank", [" ", "\n", "\u200b", "\u3164", "\ufe0f", " \u2800"])
def test_a_long_run_of_blanks_within_a_text_takes_no_time(blank):
    began = time.process_time()
    answer = ApiClient(UserFactory()).post(
        "/user/problem", {"problem_catgory": "x", "robot_id": "r", "group_name": f"a{blank * 50_000}b"}
    )
    assert answer["code"] == 1403
    assert time.process_time() - began < 3
