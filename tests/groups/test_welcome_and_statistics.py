"""Welcome messages, and daily statistics of joins, leaves and speakers."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from config.celery import SCHEDULE
from config.platform.dates import day_of
from config.platform.retention import CHUNK
from groups import statistics
from groups.models import Group, GroupStatistics, Member, MemberMove
from groups.tasks import forget_old_messages, roll_up_missed_statistics, roll_up_statistics
from integrations.moderation.words import add_words
from robots.models import OutboxMessage
from tests.factories.people import GroupFactory, RobotFactory, UserFactory, days_ago
from tests.support.client import ApiClient
from tests.support.entry_points import gateway_sends
from tests.support.group_messages import messages_to, receive_group_message

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return UserFactory(code="wx-owner")


@pytest.fixture
def group(owner) -> Group:
    robot = RobotFactory(code="r1")
    return GroupFactory(
        code="g1", robot=robot, wechat_owner_code="wx-owner", welcome_message="欢迎", member_count=5
    )


def joins(code: str = "bob", **fields) -> None:
    gateway_sends(("join_group", {"group_id": "g1", "user_id": code, "nickname": code, **fields}))


def leaves(code: str = "bob", **fields) -> None:
    gateway_sends(("drop_out_group", {"group_id": "g1", "user_id": code, **fields}))


def yesterday(hour: int = 12) -> str:
    return days_ago(1, hour).strftime("%F %T")


def set_welcome(user: User, text: object) -> int:
    return ApiClient(user).post("/groups/g1/welcome", {"welcome_msg": text})["code"]


def test_a_newcomer_is_welcomed_by_name(group):
    joins()
    message = OutboxMessage.objects.get()
    assert (message.group_code, message.content["content"], message.mentions) == ("g1", "欢迎", ["bob"])


def test_an_older_joining_that_is_reported_late_restores_no_older_leaving(group):
    joins(join_time=yesterday(12))
    joins(join_time=yesterday(11))
    leaves(join_time=yesterday(11))
    assert Member.objects.get(code="bob").left_at is None
    assert Group.objects.get().member_count == group.member_count + 1


def test_a_group_gets_one_welcome_in_five_minutes(group):
    joins("bob")
    joins("carol")
    assert len(messages_to()) == 1
    Group.objects.update(welcomed_at=timezone.now() - timedelta(minutes=5))
    joins("dan")
    assert len(messages_to()) == 2


def test_every_group_has_its_own_five_minutes(group):
    GroupFactory(code="g2", welcome_message="你好")
    joins()
    joins(group_id="g2")
    assert messages_to("g2") == ["你好"]


def test_the_robot_does_not_welcome_itself(group):
    joins("r1")
    assert messages_to() == []


def test_the_owner_changes_the_welcome_and_switches_it_off(owner, group):
    assert set_welcome(owner, "新欢迎") == 1200
    joins("bob")
    assert set_welcome(owner, "") == 1200
    Group.objects.update(welcomed_at=None)
    joins("carol")
    assert messages_to() == ["新欢迎"]


@pytest.mark.parametrize("text", ["  ", "\u200b", "\n\t", "\ufeff \u3000", "\ufe0f", "\u2800", "\u202e\u202c"])
def test_a_welcome_that_shows_nothing_switches_it_off(owner, group, text):
    assert set_welcome(owner, text) == 1200
    joins()
    assert messages_to() == []
    group.refresh_from_db()
    assert group.welcome_message == ""


def test_a_newcomers_name_is_stored_as_one_line(group):
    joins("bob", nickname="\u202e小\n明\u200b")
    assert Member.objects.get(code="bob").nickname == "小 明"


def test_an_older_welcome_that_shows_nothing_is_not_sent(group):
    Group.objects.update(welcome_message=" \u200b")
    joins()
    assert messages_to() == []


def test_a_welcome_keeps_its_lines_blanks_and_pictures(owner, group):
    set_welcome(owner, " 欢迎❤️\n  请看公告 👨‍👩‍👧")
    joins()
    assert messages_to() == [" 欢迎❤️\n  请看公告 👨‍👩‍👧"]


def test_a_welcome_with_a_sensitive_word_changes_nothing(owner, group):
    add_words(["赌博"])
    answer = ApiClient(owner).post("/groups/g1/welcome", {"welcome_msg": "一起赌 博"})
    assert (answer["code"], answer["description"]) == (2003, "内容含有敏感词“赌博”，请修改后再提交")
    group.refresh_from_db()
    assert group.welcome_message == "欢迎"


@pytest.mark.parametrize(("text", "code"), [("x" * 500, 1200), ("x" * 501, 1403), (None, 1403), (["x"], 1403)])
def test_a_welcome_has_at_most_500_characters(owner, group, text, code):
    assert set_welcome(owner, text) == code


def test_only_who_owns_the_group_in_wechat_sets_its_welcome(group):
    assert set_welcome(group.user, "x") == 1404


def test_joins_leaves_and_speakers_of_yesterday_are_shown(owner, group):
    for code in ("bob", "carol", "dan"):
        joins(code, join_time=yesterday())
    leaves("dan", join_time=yesterday(13))
    for by in ("bob", "bob", "carol", "r1"):
        receive_group_message(by=by, send_time=yesterday())
    roll_up_statistics()
    [row] = ApiClient(owner).get("/groups/statistics")["data"]
    assert (row["join_group_counts"], row["exit_group_counts"], row["speaker_counts"]) == (3, 1, 2)
    assert row["group_mem_counts"] == 7


def test_today_and_the_day_before_are_not_yesterday(owner, group):
    joins("bob")
    receive_group_message()
    joins("carol", join_time=days_ago(2).strftime("%F %T"))
    roll_up_statistics()
    [row] = ApiClient(owner).get("/groups/statistics")["data"]
    assert (row["join_group_counts"], row["speaker_counts"]) == (0, 0)


@pytest.mark.parametrize(("time", "counted"), [("00:00:00", 1), ("23:59:59", 1)])
def test_a_day_is_shanghais(owner, group, time, counted):
    joins("bob", join_time=f"{days_ago(1):%F} {time}")
    roll_up_statistics()
    assert GroupStatistics.objects.latest("day").joined_count == counted


def test_a_second_roll_up_counts_late_events(group):
    roll_up_statistics()
    joins(join_time=yesterday())
    roll_up_statistics()
    assert GroupStatistics.objects.latest("day").joined_count == 1


@pytest.mark.parametrize(("hours_ago", "rows"), [(1, 0), (-1, 1)])
def test_a_group_counts_on_a_day_if_it_was_served_at_the_end_of_the_day(group, hours_ago, rows):
    cancelled_at = days_ago(0, hour=0) - timedelta(hours=hours_ago)
    Group.objects.update(cancelled_at=cancelled_at, cancel_reason=3)
    assert statistics.roll_up(day_of(timezone.now()) - timedelta(days=1)) == rows


def counted_days() -> dict[int, int]:
    """Return the joined count of each day with statistics, by how many days ago it was."""
    rows = GroupStatistics.objects.values_list("day", "joined_count")
    return {(timezone.localdate() - day).days: joined for day, joined in rows}


@pytest.mark.parametrize("task", [roll_up_statistics, roll_up_missed_statistics])
def test_every_missed_day_whose_messages_are_stored_is_rolled_up_later(group, task):
    for back in (6, 4, 1):
        joins(f"m{back}", join_time=days_ago(back).strftime("%F %T"))
    task()
    assert counted_days() == {6: 1, 5: 0, 4: 1, 3: 0, 2: 0, 1: 1}


def test_a_missed_day_between_others_is_found_and_then_nothing_is_missing(group, django_assert_num_queries):
    roll_up_missed_statistics()
    GroupStatistics.objects.filter(day=timezone.localdate() - timedelta(days=3)).delete()
    assert roll_up_missed_statistics() == 1
    with django_assert_num_queries(1):
        assert roll_up_missed_statistics() == 0


def test_days_before_the_first_group_are_not_missing(group):
    Group.objects.update(bound_at=days_ago(2))
    assert roll_up_missed_statistics() == 2
    Group.objects.all().delete()
    assert statistics.days_without_statistics(at=timezone.now()) == []


@pytest.mark.parametrize("task", ["earnings.tasks.settle", "groups.tasks.roll_up"])
def test_missed_days_are_looked_for_every_hour(task):
    times = [entry["schedule"] for entry in SCHEDULE.values() if entry["task"].startswith(task)]
    assert set().union(*(one.hour for one in times)) == set(range(24))


def test_statistics_of_all_groups_take_one_statement(group, django_assert_num_queries):
    for _ in range(5):
        GroupFactory()
    with django_assert_num_queries(1):
        assert statistics.roll_up(day_of(timezone.now())) == 6


def test_the_database_stores_one_row_per_group_and_day(group):
    statistics.roll_up(day_of(timezone.now()))
    row = GroupStatistics.objects.latest("day")
    row.pk = None
    with pytest.raises(IntegrityError, match="one_row_of_statistics"), transaction.atomic():
        row.save(force_insert=True)


def test_moves_are_deleted_after_a_week(group):
    joins("bob")
    MemberMove.objects.update(moved_at=timezone.now() - timedelta(days=8))
    joins("carol")
    forget_old_messages()
    assert MemberMove.objects.get().member_code == "carol"


def test_old_rows_are_deleted_some_thousand_at_a_time_without_being_loaded(group):
    moves = "INSERT INTO groups_membermove (group_id, member_code, is_joining, moved_at) SELECT %s, n, true, %s"
    with connection.cursor() as cursor:
        cursor.execute(f"{moves} FROM generate_series(0, %s) n", [group.pk, days_ago(9), CHUNK])
    with CaptureQueriesContext(connection) as queries:
        assert forget_old_messages() == CHUNK + 1
    assert not [one for one in queries if one["sql"].startswith("SELECT")]
    assert len(queries) == 3  # messages, and moves in two chunks


def test_each_joining_and_leaving_changes_the_size_once(group):
    for act in (joins, joins, leaves, leaves, joins):
        act()
    group.refresh_from_db()
    assert group.member_count == 6
    assert Member.objects.get().left_at is None


def test_the_leaving_of_an_unknown_member_reduces_the_size(group):
    leaves("unknown")
    group.refresh_from_db()
    assert group.member_count == 4


def test_a_leaving_reported_after_a_newer_joining_ends_no_membership(group):
    joins("bob", join_time=yesterday(12))
    joins("bob", join_time=yesterday(14))
    leaves("bob", join_time=yesterday(13))
    roll_up_statistics()
    group.refresh_from_db()
    assert (group.member_count, Member.objects.get().left_at) == (6, None)
    counted = GroupStatistics.objects.latest("day")
    assert (counted.joined_count, counted.left_count) == (2, 1)


def test_a_joining_reported_after_the_leaving_that_followed_it_restores_no_membership(group):
    for hour, act in ((11, joins), (15, leaves), (14, joins), (13, leaves)):
        act("bob", join_time=yesterday(hour))
    group.refresh_from_db()
    assert (group.member_count, Member.objects.filter(left_at=None).count()) == (5, 0)


def test_a_joining_reported_after_the_leaving_of_an_unknown_member_leaves_the_size_unchanged(group):
    leaves("bob", join_time=yesterday(15))
    joins("bob", join_time=yesterday(14))
    group.refresh_from_db()
    assert (group.member_count, Member.objects.filter(left_at=None).count()) == (5, 0)
    joins("bob", join_time=yesterday(16))
    group.refresh_from_db()
    assert (group.member_count, Member.objects.filter(left_at=None).count()) == (6, 1)


def test_a_joining_reported_three_times_counts_once_and_is_welcomed_once(group):
    for _ in range(3):
        joins("bob", join_time=yesterday())
        Group.objects.update(welcomed_at=None)
    roll_up_statistics()
    group.refresh_from_db()
    assert (GroupStatistics.objects.latest("day").joined_count, group.member_count, len(messages_to())) == (1, 6, 1)


def test_a_leaving_reported_three_times_counts_once(group):
    for _ in range(3):
        leaves("unknown", join_time=yesterday())
    roll_up_statistics()
    group.refresh_from_db()
    assert (GroupStatistics.objects.latest("day").left_count, group.member_count) == (1, 4)


def test_a_member_who_joins_again_a_second_later_is_counted_again(group):
    joins("bob", join_time=f"{days_ago(1):%F} 12:00:00")
    leaves("bob", join_time=f"{days_ago(1):%F} 12:00:00")
    joins("bob", join_time=f"{days_ago(1):%F} 12:00:01")
    roll_up_statistics()
    counted = GroupStatistics.objects.latest("day")
    assert (counted.joined_count, counted.left_count) == (2, 1)


def test_the_database_counts_a_move_once(group):
    joins("bob")
    move = MemberMove.objects.get()
    move.pk = None
    with pytest.raises(IntegrityError, match="move_is_counted_once"), transaction.atomic():
        move.save(force_insert=True)


def test_a_group_is_listed_for_its_new_owner_in_wechat(owner, group):
    new_owner = UserFactory(code="wx-new_owner")
    gateway_sends(("group_info", {"id": "g1", "admin_user_id": "wx-new_owner"}))
    assert ApiClient(owner).get("/owner/groups")["data"] == []
    assert [one["code"] for one in ApiClient(new_owner).get("/owner/groups")["data"]] == ["g1"]


@pytest.mark.parametrize(("size", "stored"), [(12, 12), ("12", 12), (-1, 5), ("x", 5), (10**9, 5), (None, 5)])
def test_an_impossible_size_is_ignored(group, size, stored):
    gateway_sends(("group_info", {"id": "g1", "mem_count": size}))
    group.refresh_from_db()
    assert group.member_count == stored


def test_a_kick_of_another_robot_does_not_cancel_the_group(group):
    gateway_sends(("robot_kicked", {"group_id": "g1", "robot_id": "r2", "user_id": "x"}))
    assert Group.objects.active().count() == 1
