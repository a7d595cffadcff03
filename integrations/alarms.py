"""Alarms: operators are notified of urgent tasks of the dashboard by group robots or e-mail, when each begins and ends.

`watch` compares the tasks that wait with the open alarms, and queues a notice of each change for every channel in the
settings; without a channel nothing is watched. `send_notices` sends them: an unavailable channel delays them for up to a
day. A notice may arrive twice when a worker is killed between the call and its record.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from config.backoffice import dashboard
from config.platform.dates import shanghai_time
from config.platform.queues import Backoff
from config.platform.sweeps import SingleRun, sweep
from config.platform.wakeups import start_soon
from integrations import alarm_channels
from integrations.http import OutsideError, Refused
from integrations.models import Alarm, AlarmNotice

QUIET_FOR = timedelta(minutes=5)  # a task that waits again within this time continues its alarm
LEASE = timedelta(minutes=2)
BACKOFF = Backoff.doubling(timedelta(minutes=1), timedelta(hours=1), max_attempts=24)
_WATCH_LEASE = timedelta(minutes=2)


@sweep
def watch() -> int:
    """Begin and end alarms. Returns the number of changes."""
    if not settings.ALARM_CHANNELS:
        return 0
    run = SingleRun("alarms", _WATCH_LEASE)
    at = timezone.now()
    if not run.may_continue(at):
        return 0
    try:
        with transaction.atomic():
            return _compare(at)
    finally:
        run.end()


def _compare(at: datetime) -> int:
    tasks = {task.key: task for task in dashboard.urgent_tasks()}
    alarms = {alarm.key: alarm for alarm in Alarm.objects.filter(ended_at=None)}
    Alarm.objects.filter(ended_at=None, key__in=tasks).update(last_seen_at=at)
    begun = [
        Alarm(key=key, title=f"{task.title}：{task.number}", remark=task.remark[:300], began_at=at, last_seen_at=at)
        for key, task in tasks.items()
        if key not in alarms
    ]
    Alarm.objects.bulk_create(begun)
    ended = [alarm for key, alarm in alarms.items() if key not in tasks and at - alarm.last_seen_at >= QUIET_FOR]
    Alarm.objects.filter(pk__in=[alarm.pk for alarm in ended]).update(ended_at=at)
    changes = [*((alarm, False) for alarm in begun), *((alarm, True) for alarm in ended)]
    notices = [
        AlarmNotice(alarm=alarm, channel=channel, is_end=is_end, next_attempt_at=at)
        for alarm, is_end in changes
        for channel in settings.ALARM_CHANNELS
    ]
    AlarmNotice.objects.bulk_create(notices)
    if notices:
        start_soon(AlarmNotice.worker_task)
    return len(changes)


@sweep
def send_notices() -> int:
    """Send the notices that wait. Returns the number of attempts."""
    count, notices = 0, AlarmNotice.objects
    while claimed := notices.select_related("alarm").claim(at=timezone.now(), lease=LEASE, backoff=BACKOFF):
        count += 1
        [notice] = claimed
        try:
            alarm_channels.notify_by(notice.channel, alarm_subject(notice), alarm_text(notice))
        except Refused as error:
            notices.fail(notice, at=timezone.now(), error=str(error))
        except OutsideError as error:
            notices.retry(notice, BACKOFF, at=timezone.now(), error=str(error))
        else:
            notices.finish(notice, at=timezone.now())
    return count


def alarm_subject(notice: AlarmNotice) -> str:
    return f"【{'已恢复' if notice.is_end else '告警'}】{notice.alarm.title}"


def alarm_text(notice: AlarmNotice) -> str:
    """Return the subject, the remark, since when, until when, and the address of the admin."""
    alarm = notice.alarm
    since = f"开始：{shanghai_time(alarm.began_at)}"
    until = f"结束：{shanghai_time(alarm.ended_at)}" if alarm.ended_at and notice.is_end else ""
    parts = [alarm_subject(notice), alarm.remark, since, until, f"{settings.PUBLIC_BASE_URL}/admin/"]
    return "\n".join(part for part in parts if part)
