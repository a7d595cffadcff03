"""The page of periodic tasks names the purpose of each, when it runs, and when it last ran."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from config.backoffice.jobs import JOBS
from config.celery import SCHEDULE, app
from config.platform import job_runs
from config.platform.dates import shanghai_time
from config.tasks import flush_visits
from tests.support.admin_tables import listed_rows

pytestmark = pytest.mark.django_db
LIST = "django_celery_beat/periodictask/"


@pytest.fixture(autouse=True)
def _first_run(monkeypatch):
    """Forget the runs of other tests in this process, which keeps a run of the last second."""
    monkeypatch.setattr(job_runs, "_written", {})


@pytest.fixture
def visits() -> PeriodicTask:
    interval, _ = IntervalSchedule.objects.get_or_create(every=60, period="seconds")
    return PeriodicTask.objects.create(name="page visits", task="config.tasks.flush_visits", interval=interval)


def test_every_task_has_a_title_and_a_purpose():
    assert set(JOBS) == set(SCHEDULE)


def test_the_schedule_is_a_sentence_for_every_task(root):
    for name, entry in SCHEDULE.items():
        ModelEntry.from_entry(name, app=app, **entry)
    rows = listed_rows(root.page(LIST))
    assert {row["title"] for row in rows} == {str(title) for title, _purpose in JOBS.values()}
    assert [row["schedule"] for row in rows if not row["schedule"].startswith("每")] == []


@pytest.mark.parametrize(
    ("minute", "hour", "shown"),
    [
        ("50", "*", "每小时第 50 分"),
        ("10", "0", "每天 00:10"),
        ("10", "0-5", "每天 0 点到 5 点，每小时第 10 分"),
        ("*/5", "*", "每 5 分钟"),
        ("*", "*", "每 1 分钟"),
    ],
)
def test_times(root, minute, hour, shown):
    crontab = CrontabSchedule.objects.create(minute=minute, hour=hour)
    PeriodicTask.objects.create(name="settlement", task="earnings.tasks.settle", crontab=crontab)
    [row] = listed_rows(root.page(LIST))
    assert (row["title"], row["schedule"]) == ("每日结算", shown)


@pytest.mark.parametrize(("every", "shown"), [(60, "每 1 分钟"), (10, "每 10 秒")])
def test_intervals(root, every, shown):
    interval = IntervalSchedule.objects.create(every=every, period="seconds")
    PeriodicTask.objects.create(name="inbox", task="integrations.tasks.handle_events", interval=interval)
    assert listed_rows(root.page(LIST))[0]["schedule"] == shown


def test_a_run_on_request_is_the_last_run(root, visits):
    assert listed_rows(root.page(LIST))[0]["last_run"] == "还没有运行过"
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(hours=1), total_run_count=1234)
    flush_visits.apply()
    row = listed_rows(root.page(LIST))[0]
    assert row["last_run"][:16] == shanghai_time(timezone.now())[:16]
    assert row["scheduled_runs"] == "1,234 次（不含立即运行）"


def test_a_later_run_by_beat_is_the_last_run(root, visits):
    flush_visits.apply()
    PeriodicTask.objects.update(last_run_at=timezone.now() + timedelta(hours=1))
    assert listed_rows(root.page(LIST))[0]["last_run"] > shanghai_time(timezone.now())


def test_pages_and_confirmations_name_the_task(root, visits):
    assert "保存访问次数" in root.page(f"{LIST}{visits.pk}/change/")
    assert "<li>保存访问次数</li>" in root.act(LIST, "pause", visits, confirmed=False)
