"""The Celery app and the schedule of beat.
A message of the broker only starts a task early: all pending work is stored in rows, and beat's tasks look for due rows.
"""

import logging
import os
from logging.config import dictConfig
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import import_modules, setup_logging, task_postrun, worker_ready
from django.conf import settings
from django.utils import timezone

from config.checks import require_sound_settings
from config.platform.heartbeats import Heartbeat, Process
from config.platform.job_runs import record_run
from config.platform.logging import mask_output

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("wxrobot")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

EVERY_SECOND = {"schedule": 1.0, "options": {"expires": 2}}
SCHEDULE: dict[str, dict[str, Any]] = {
    "inbox": {"task": "integrations.tasks.handle_events", **EVERY_SECOND},
    "cancel jobs": {"task": "groups.tasks.run_cancel_jobs", "schedule": 60.0},
    "statistics": {"task": "groups.tasks.roll_up_statistics", "schedule": crontab(hour="0-5", minute="10")},
    "missed statistics": {
        "task": "groups.tasks.roll_up_missed_statistics",
        "schedule": crontab(hour="6-23", minute="10"),
    },
    "message retention": {"task": "groups.tasks.forget_old_messages", "schedule": crontab(hour="3", minute="40")},
    "reminders": {"task": "groups.tasks.remind_newcomers", "schedule": crontab(minute="5")},
    "low stars": {"task": "groups.tasks.clean_up_low_stars", "schedule": crontab(hour="5", minute="10")},
    "keyword clocks": {"task": "keywords.tasks.forget_old_replies", "schedule": crontab(hour="4", minute="30")},
    "words to customer service": {
        "task": "feedback.tasks.forward_messages",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "silent conversations": {"task": "feedback.tasks.close_silent_conversations", "schedule": crontab()},
    "callback digests": {"task": "feedback.tasks.forget_digests", "schedule": crontab(minute="50")},
    "talk retention": {
        "task": "feedback.tasks.forget_old_conversations",
        "schedule": crontab(hour="4", minute="50"),
    },
    "mass messages": {
        "task": "launches.tasks.fire_mass_messages",
        "schedule": 2.0,
        "options": {"expires": 4},
    },
    "launch results": {
        "task": "launches.tasks.report_results",
        "schedule": 10.0,
        "options": {"expires": 20},
    },
    "launch switches": {
        "task": "launches.tasks.report_switches",
        "schedule": 10.0,
        "options": {"expires": 20},
    },
    "mass-message drafts": {"task": "launches.tasks.forget_old_drafts", "schedule": crontab(hour="4", minute="40")},
    "text messages": {"task": "integrations.tasks.send_texts", "schedule": 10.0, "options": {"expires": 20}},
    "alarms": {"task": "integrations.tasks.watch_alarms", "schedule": 60.0},
    "alarm notices": {"task": "integrations.tasks.send_alarms", "schedule": 60.0},
    "payouts": {"task": "earnings.tasks.send_payouts", "schedule": crontab()},
    "payout queries": {"task": "earnings.tasks.query_payouts", "schedule": crontab(minute="*/5")},
    "settlement": {"task": "earnings.tasks.settle", "schedule": crontab(minute="30")},
    "ledger check": {"task": "earnings.tasks.check_ledger", "schedule": crontab(hour="6", minute="0")},
    "messages of gone robots": {"task": "robots.tasks.close_for_gone_robots", "schedule": 60.0},
    "robot quotas": {"task": "robots.tasks.snapshot_quotas", "schedule": crontab(hour="0", minute="0")},
    "robot sync": {"task": "robots.tasks.sync_robots", "schedule": crontab(minute="15")},
    "page visits": {"task": "config.tasks.flush_visits", "schedule": 60.0},
    "link clicks": {"task": "config.tasks.flush_clicks", "schedule": 60.0},
    "figures of the first page": {
        "task": "config.tasks.recount_figures",
        "schedule": crontab(hour="3", minute="20"),
    },
    "ended sessions": {"task": "config.tasks.forget_ended_sessions", "schedule": crontab(hour="4", minute="10")},
    "retention": {"task": "integrations.tasks.forget_old_events", "schedule": crontab(hour="4", minute="20")},
}
for entry in SCHEDULE.values():
    options = entry.get("options", {})
    if "expires" in options:
        options["expire_seconds"] = options["expires"]  # the name that django-celery-beat's DatabaseScheduler reads
app.conf.beat_schedule = SCHEDULE


@import_modules.connect
def _refuse_unsafe_settings(**_: Any) -> None:
    """Refuse to start a worker or beat with unsafe settings. Both import the task modules before anything else."""
    require_sound_settings()


@setup_logging.connect
def _log_as_the_web_does(loglevel: int | None = None, **_: Any) -> None:
    """Configure logging in place of Celery, whose own handlers would write the messages of tasks unmasked."""
    dictConfig(settings.LOGGING)  # before the streams are masked: its formatter masks each line already
    mask_output(stdout=True)
    if loglevel:
        logging.getLogger().setLevel(loglevel)


_heartbeat = Heartbeat(Process.WORKER)


@worker_ready.connect
def _start_heartbeat(**_: Any) -> None:
    _heartbeat.start()
    _heartbeat.work_done()


@task_postrun.connect
def _record_run(task: Any = None, **_: Any) -> None:
    """Record that a task ended, started by beat, by `start_soon` or by an operator. Beat starts several each second."""
    _heartbeat.work_done()
    record_run(task.name, at=timezone.now())
