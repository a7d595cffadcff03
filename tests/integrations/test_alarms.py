"""Alarms: notified by each channel once at the beginning and once at the end, whatever the channels answer."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.utils import timezone

from earnings.payouts import pauses
from integrations import alarms
from integrations.models import Alarm, AlarmNotice
from integrations.sandbox.server import SandboxResponse
from tests.support.admin_pages import Operator
from tests.support.outside_system import OutsideSystem, played_by

pytestmark = pytest.mark.django_db
DONE = SandboxResponse({"errcode": 0, "errmsg": "ok"})
PAUSED = "打款已暂停：1"


@pytest.fixture
def group_robot(tmp_path: Path, settings: Any) -> Iterator[OutsideSystem]:
    """Return the webhook of WeCom, the only channel."""
    with played_by(OutsideSystem(DONE), tmp_path, settings) as robot:
        settings.ALARM_CHANNELS = ["wecom"]
        settings.ALARM_WECOM_WEBHOOK = f"{robot.url}/cgi-bin/webhook/send?key=secret-key"
        yield robot


def minute_passes(minutes: int = 1) -> None:
    """Let this time pass, then run what beat runs each minute."""
    Alarm.objects.update(
        began_at=timezone.now() - timedelta(minutes=30), last_seen_at=timezone.now() - timedelta(minutes=minutes)
    )
    AlarmNotice.objects.update(next_attempt_at=timezone.now())
    cache.clear()
    alarms.watch()
    alarms.send_notices()


def texts(robot: OutsideSystem) -> list[str]:
    """Return what the group read about the pause of payouts."""
    found = [call.json["text"]["content"] for call in robot.calls]
    return [text for text in found if PAUSED in text]


def pause() -> None:
    pauses.pause_payouts(by="root", reason="对账", at=timezone.now())


def test_an_alarm_is_notified_once_at_its_beginning_and_once_at_its_end(group_robot: OutsideSystem):
    pause()
    for _ in range(3):
        minute_passes()
    [text] = texts(group_robot)
    assert text.startswith(f"【告警】{PAUSED}\n对账\n开始：")
    assert text.endswith("/admin/")
    pauses.resume_payouts(by="root", at=timezone.now())
    for _ in range(3):
        minute_passes(6)
    assert len(texts(group_robot)) == 2
    assert texts(group_robot)[1].startswith(f"【已恢复】{PAUSED}\n")
    assert "结束：" in texts(group_robot)[1]


def test_what_begins_again_within_minutes_continues_its_alarm(group_robot: OutsideSystem):
    pause()
    minute_passes()
    pauses.resume_payouts(by="root", at=timezone.now())
    minute_passes(2)
    pause()
    minute_passes()
    assert len(texts(group_robot)) == 1


@pytest.mark.parametrize(
    "failure",
    [
        SandboxResponse({}, status=500),
        SandboxResponse({"errcode": 45009, "errmsg": "api freq out of limit"}),
        SandboxResponse(["no object"]),
    ],
)
def test_a_channel_that_fails_is_tried_again(group_robot: OutsideSystem, failure: SandboxResponse):
    group_robot.replies = [failure]
    pause()
    minute_passes()
    assert AlarmNotice.objects.filter(finished_at=None).exists()
    group_robot.replies = [DONE]
    minute_passes()
    assert not AlarmNotice.objects.exclude(status=AlarmNotice._meta.get_field("status").choices[1][0]).exists()


def test_a_refusal_waits_for_an_operator_and_shows_no_key(group_robot: OutsideSystem):
    group_robot.replies = [SandboxResponse({"errcode": 93000, "errmsg": "invalid webhook url"})]
    pause()
    minute_passes()
    page = Operator().page("integrations/alarmnotice/")
    assert "93000 invalid webhook url" in page
    assert "secret-key" not in page


def test_dingtalk_gets_a_signature(group_robot: OutsideSystem, settings: Any):
    settings.ALARM_CHANNELS = ["dingtalk"]
    settings.ALARM_DINGTALK_WEBHOOK = f"{group_robot.url}/robot/send?access_token=t"
    settings.ALARM_DINGTALK_SECRET = "SEC-of-the-robot"
    pause()
    minute_passes()
    assert texts(group_robot)
    query = group_robot.calls[0].query
    assert set(query) == {"access_token", "timestamp", "sign"}


def test_mail_goes_to_all_addresses(settings: Any):
    settings.ALARM_CHANNELS, settings.ALARM_EMAILS = ["email"], ["duty@example.com", "boss@example.com"]
    pause()
    minute_passes()
    [message] = [each for each in mail.outbox if PAUSED in each.subject]
    assert message.to == ["duty@example.com", "boss@example.com"]
    assert "对账" in message.body


def test_without_a_channel_nothing_is_watched():
    pause()
    minute_passes()
    assert not Alarm.objects.exists()


def test_a_channel_that_is_down_delays_no_other(group_robot: OutsideSystem, settings: Any):
    group_robot.replies = [SandboxResponse({}, status=500)]
    settings.ALARM_CHANNELS, settings.ALARM_EMAILS = ["wecom", "email"], ["duty@example.com"]
    pause()
    minute_passes()
    assert [each for each in mail.outbox if PAUSED in each.subject]
