"""Cancelling many groups by the operation and the command, in batches, resumed after a kill."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.models import Scope
from config.platform.queues import JobStatus
from groups import cancel_jobs
from groups.models import CancelJob, CancelReason, Group
from groups.tasks import run_cancel_jobs
from robots.models import OutboxMessage, Robot
from tests.factories.people import GroupFactory, RobotFactory, UserFactory
from tests.support.entry_points import gateway_operations, key_with

pytestmark = pytest.mark.django_db


def delete(*references: Any, **fields: Any) -> dict:
    body = {"group_ids": [str(reference) for reference in references], **fields}
    return key_with(Scope.GROUPS_CANCEL).post("/groups/delete", body)


def command(*args: Any, **options: Any) -> str:
    out = io.StringIO()
    call_command("cancel_groups", *[str(arg) for arg in args], stdout=out, **options)
    return out.getvalue()


def active() -> set[str]:
    return set(Group.objects.active().values_list("code", flat=True))


def test_cancelling_is_accepted_at_once_and_done_in_the_background():
    group = GroupFactory()
    assert delete(group.pk)["data"] == ""
    assert active() == {group.code}
    run_cancel_jobs()
    assert active() == set()


def test_ids_and_codes_name_groups_and_a_group_named_twice_is_cancelled_once():
    one, other = GroupFactory(), GroupFactory()
    delete(one.pk, one.code, other.code)
    run_cancel_jobs()
    assert CancelJob.objects.get().cancelled_count == 2
    assert active() == set()


def test_a_working_robot_is_unbound_whatever_the_reason():
    group = GroupFactory()
    delete(group.pk, cancel_reason=CancelReason.ROBOT_BANNED)
    run_cancel_jobs()
    assert gateway_operations(group.code) == ["unbind_group"]


def test_groups_may_be_one_text_with_commas():
    one, other = GroupFactory(), GroupFactory()
    key_with(Scope.GROUPS_CANCEL).post("/groups/delete", {"group_ids": f"{one.pk}, {other.code}"})
    run_cancel_jobs()
    assert active() == set()


def test_unknown_and_cancelled_groups_are_skipped():
    gone, there = GroupFactory(), GroupFactory()
    delete(gone.pk, cancel_reason=1)
    run_cancel_jobs()
    delete("nobody", gone.code, gone.pk, there.pk)
    run_cancel_jobs()
    gone.refresh_from_db()
    assert gone.cancel_reason == CancelReason.ILLEGAL
    assert active() == set()


@pytest.mark.parametrize(("params", "stored"), [({}, 4), ({"cancel_reason": 7}, 7), ({"cancel_reason": 2}, 2)])
def test_the_reason_is_stored_and_is_4_by_default(params: dict, stored: int):
    group = GroupFactory()
    delete(group.pk, **params)
    run_cancel_jobs()
    group.refresh_from_db()
    assert group.cancel_reason == stored
    assert group.cancelled_by.startswith("接口：")


def test_the_gateway_is_asked_to_unbind_and_the_robot_has_room_for_other_groups():
    robot = RobotFactory()
    groups = GroupFactory.create_batch(3, robot=robot)
    delete(*[group.pk for group in groups[:2]])
    run_cancel_jobs()
    robot.refresh_from_db()
    assert robot.group_count == 1
    assert gateway_operations(groups[0].code) == ["unbind_group"]
    assert gateway_operations(groups[2].code) == []


def test_the_command_cancels_by_the_same_service():
    group = GroupFactory()
    assert command(group.code, by="小王", reason=5) == "1 groups cancelled.\n"
    group.refresh_from_db()
    assert (group.cancelled_by, group.cancel_reason) == ("小王", 5)
    assert gateway_operations(group.code) == ["unbind_group"]


def test_the_command_reads_a_file(tmp_path):
    groups = GroupFactory.create_batch(3)
    (tmp_path / "groups.txt").write_text("\n".join([str(groups[0].pk), "", f" {groups[1].code} "]))
    command(file=tmp_path / "groups.txt")
    assert active() == {groups[2].code}


@pytest.mark.parametrize(
    ("name", "fields"), [("robot", {"robot__code": "r"}), ("user", {"user__code": "u"}), ("star", {"star": 2})]
)
def test_the_command_chooses_by_filter(name: str, fields: dict):
    GroupFactory(**fields)
    other = GroupFactory(star=3)
    command(**{name: next(iter(fields.values()))})
    assert active() == {other.code}


def test_a_dry_run_prints_the_number_and_cancels_nothing():
    group = GroupFactory()
    assert command(group.pk, group.code, "nobody", dry_run=True) == "1 groups would be cancelled.\n"
    assert active() == {group.code}
    assert not CancelJob.objects.exists()


def test_no_group_named_is_no_reason_to_cancel_all():
    GroupFactory()
    with pytest.raises(CommandError, match="No group named"):
        command()
    assert len(active()) == 1


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        command(file=tmp_path / "nowhere")


def test_the_rest_of_a_killed_run_is_resumed(settings):
    groups = [group.code for group in GroupFactory.create_batch(3)]
    job = cancel_jobs.request_cancelling(
        references=groups, reason=CancelReason.OPERATOR, by="小王", at=timezone.now()
    )
    CancelJob.objects.filter(pk=job.pk).update(position=1)
    assert command(resume=True) == "2 groups cancelled.\n"
    assert active() == {groups[0]}


@pytest.mark.parametrize("count", [cancel_jobs.BATCH - 1, cancel_jobs.BATCH, cancel_jobs.BATCH + 1])
def test_a_job_ends_wherever_its_last_batch_ends(count: int):
    cancel_jobs.request_cancelling(
        references=[f"g{number}" for number in range(count)],
        reason=CancelReason.OPERATOR,
        by="x",
        at=timezone.now(),
    )
    assert run_cancel_jobs() == count
    job = CancelJob.objects.get()
    assert (job.position, job.finished_at is not None) == (count, True)


def queries_of(count: int) -> int:
    user = UserFactory()
    groups = [GroupFactory(user=user) for _ in range(count)]
    cancel_jobs.request_cancelling(
        references=[str(group.pk) for group in groups], reason=CancelReason.OPERATOR, by="x", at=timezone.now()
    )
    with CaptureQueriesContext(
        connection,
    ) as queries:
        run_cancel_jobs()
    assert OutboxMessage.objects.filter(operation="unbind_group").count() >= count
    return len(queries)


def test_many_groups_of_many_robots_cost_no_more_statements_than_two():
    assert queries_of(2) == queries_of(40)


def test_a_job_that_fails_does_not_stop_the_next_job(caplog):
    broken, sound = GroupFactory(), GroupFactory()
    Robot.objects.filter(pk=broken.robot_id).update(group_count=0)  # it cannot serve one group fewer
    delete(broken.pk)
    delete(sound.pk)
    run_cancel_jobs()
    assert active() == {broken.code}
    assert "failed" in caplog.text


def test_a_job_that_fails_ten_times_is_left_to_an_operator():
    broken = GroupFactory()
    Robot.objects.filter(pk=broken.robot_id).update(group_count=0)
    delete(broken.pk)
    for _ in range(12):
        run_cancel_jobs()
        CancelJob.objects.open().update(next_attempt_at=timezone.now())
    job = CancelJob.objects.get()
    assert (job.status, job.attempts) == (JobStatus.FAILED, 10)
    assert "robot" in job.last_error


def test_a_file_with_a_bom_loses_no_code(tmp_path):
    first, second = GroupFactory(), GroupFactory()
    (tmp_path / "groups.txt").write_bytes(f"\ufeff{first.code}\r\n{second.code}\r\n".encode())
    assert "2 groups cancelled" in command(file=tmp_path / "groups.txt")


def test_a_file_in_another_encoding_is_an_error(tmp_path):
    (tmp_path / "groups.txt").write_bytes("测试群\n".encode("gbk"))
    with pytest.raises(CommandError, match="cannot be read"):
        command(file=tmp_path / "groups.txt")
