"""The robot's nickname in a group, set at the gateway and then stored."""

import pytest

from accounts.models import User
from groups.models import Group
from integrations.moderation.words import add_words
from tests.factories.people import GroupFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.outside_system import set_fault

pytestmark = pytest.mark.django_db


@pytest.fixture
def group(alice, sandbox) -> Group:
    return GroupFactory(user=alice, robot=RobotFactory(code="sandbox-robot-1"))


def rename(user: User, group: Group, name: str = "小熊") -> int:
    return ApiClient(user).post(f"/groups/{group.pk}/robot_name", {"remark_name": name})["code"]


@pytest.mark.parametrize(
    "name", ["\u200b", "\u202e", "a\nb", "小\t熊", "\u2066", "小\u202e熊", "\x07熊", "\u3164", "\u2028"]
)
def test_a_name_has_visible_characters_and_one_line(alice, group, sandbox, name):
    assert rename(alice, group, name) == 1403
    assert stored(group) == ""


@pytest.mark.parametrize("name", ["\ufeff小熊", "小熊\u200b", "\u202d小熊\u202c", " 小熊\ufe0f"])
def test_invisible_characters_at_the_ends_are_no_part_of_a_name(alice, group, sandbox, name):
    assert rename(alice, group, name) == 1200
    assert stored(group) == "小熊"


@pytest.mark.parametrize("name", ["熊❤️", "👨‍👩‍👧", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "می‌خواهم"])
def test_emoji_and_joined_letters_of_a_name_are_unchanged(alice, group, sandbox, name):
    assert rename(alice, group, name) == 1200
    assert stored(group) == name


def stored(group: Group) -> str:
    group.refresh_from_db()
    return group.robot_nickname


@pytest.mark.parametrize("method", ["post", "put"])
@pytest.mark.parametrize("by", ["pk", "code"])
def test_the_gateway_gets_the_nickname_and_we_store_it(alice, group, sandbox, method: str, by: str):
    path = f"/groups/{getattr(group, by)}/robot_name"
    assert getattr(ApiClient(alice), method)(path, {"remark_name": "小熊"})["data"] == "SUCCESS"
    assert (sandbox.state.nicknames, stored(group)) == ({group.code: "小熊"}, "小熊")


def test_a_gateway_that_refuses_changes_nothing(alice, group, sandbox):
    set_fault(sandbox, "gateway")
    assert rename(alice, group) == 1101
    assert stored(group) == ""


def test_a_sensitive_word_never_reaches_the_gateway(alice, group, sandbox):
    add_words(["坏词"])
    assert rename(alice, group, "坏 词") == 2003
    assert (sandbox.state.nicknames, stored(group)) == ({}, "")


def test_a_name_has_1_to_30_characters(alice, group):
    assert [rename(alice, group, name) for name in ("熊", "熊" * 30, "熊" * 31, "", "  ")] == [
        1200,
        1200,
        1403,
        1403,
        1403,
    ]


def test_a_group_of_another_is_not_found(group):
    assert rename(UserFactory(), group) == 1404
