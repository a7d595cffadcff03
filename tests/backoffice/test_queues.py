"""The page of all queues, and the actions of their lists."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.backoffice.base import EXPORTS
from config.backoffice.queues import Queue, QueueAdmin, _queues
from config.platform.queues import Job, JobStatus
from integrations.models import GatewayEvent, TextMessage
from launches.models import MassMessage, ScheduledSending
from robots.models import OutboxMessage
from tests.support.admin_pages import PAGES, Operator, address
from tests.support.admin_rows import make_rows

pytestmark = pytest.mark.django_db
JOBS = sorted(where for where, page in PAGES.items() if isinstance(page, QueueAdmin))


def shown(operator: Operator) -> dict[str, list[str]]:
    """Return the cells of each row on the page by the queue's title."""
    cache.clear()
    rows = re.findall(
        r"<tr>\n<td><a [^>]*><strong>(.*?)</strong></a>(?:<p.*?</p>)?</td>(.*?)</tr>",
        operator.page("queues/"),
        re.S,
    )
    return {
        title: [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", cells)] for title, cells in rows
    }


def failed_job(model: type[Job]) -> Job:
    job = model._base_manager.first()
    failed = {"status": JobStatus.FAILED, "finished_at": timezone.now(), "last_error": "HTTP 500", "attempts": 9}
    model._base_manager.filter(pk=job.pk).update(**failed)
    return job


def test_the_page_shows_all_queues():
    make_rows(1)
    names = {
        "网关事件",
        "告警通知",
        "群发短信",
        "发件箱",
        "批量注销",
        "群发任务",
        "投放结果回报",
        "转发给客服的消息",
        "打款",
    }
    assert set(shown(Operator())) == names


def test_a_row_shows_what_waits_since_when_what_failed_and_what_was_done_lately():
    now = timezone.now()
    job = {"batch": "00000000-0000-0000-0000-000000000000", "content": "x", "created_at": now}
    for minutes, phone in ((3, "1"), (5, "2"), (-9, "3")):
        TextMessage.objects.create(**job, phone=phone, next_attempt_at=now - timedelta(minutes=minutes))
    ended = job | {"next_attempt_at": now, "last_error": "x"}
    for hours, status in ((0.5, 1), (2, 1), (0.5, 2), (3, 2), (0.5, 4)):
        TextMessage.objects.create(
            **ended, phone=f"{hours}{status}", status=status, finished_at=now - timedelta(hours=hours)
        )
    assert shown(Operator())["群发短信"] == ["3", "5\xa0分钟", "2", "2"]


@pytest.mark.parametrize(
    ("role", "titles"),
    [
        ("support", {"群发短信", "发件箱", "批量注销", "转发给客服的消息", "打款"}),
        ("finance", {"打款"}),
    ],
)
def test_an_operator_sees_the_queues_whose_lists_they_may_see(role: str, titles: set[str]):
    operator = Operator(role)
    assert set(shown(operator)) == titles
    assert "/admin/queues/" in operator.page("")


def test_an_operator_without_a_queue_sees_no_page():
    operator = Operator("support")
    operator.user.groups.clear()
    assert operator.sees("queues/") == 403
    assert "/admin/queues/" not in operator.page("")


@pytest.mark.parametrize("queue", _queues, ids=lambda queue: address(queue.model))
def test_the_numbers_lead_to_the_rows_that_they_count(queue: Queue):
    make_rows(2)
    rows, operator = queue.model._base_manager, Operator()
    found = {
        query: set(operator.http.get(f"/admin/{address(queue.model)}/?{query}").context["cl"].queryset)
        for query in (queue.waiting_query, queue.failed_query)
    }
    assert found[queue.waiting_query] == set(rows.filter(queue.waiting)) != set()
    assert found[queue.failed_query] == set(rows.filter(queue.failed))


def test_the_page_takes_the_same_queries_however_many_rows_there_are():
    operator = Operator()
    counts = []
    for _ in range(2):
        make_rows(2)
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            operator.page("queues/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("where", sorted({address(queue.model) for queue in _queues} - {"earnings/payout"}))
def test_every_queue_has_the_same_actions_but_payouts_which_are_decided(where: str):
    labels = {
        str(label)
        for _do, _name, label in PAGES[where]
        .get_actions(Operator().http.get("/admin/password_change/").wsgi_request)
        .values()
    }
    assert {"重试", "关闭"} <= labels


def test_the_page_states_why_payouts_have_no_such_actions():
    _before, payouts = Operator().page("queues/").split("<strong>打款</strong>")
    assert "不能重试或关闭，以免重复打款" in payouts.split("</td>")[0]
    assert PAGES["earnings/payout"].actions == ("decide", "close_contradiction", *EXPORTS)


@pytest.mark.parametrize("where", JOBS)
def test_an_operator_has_a_failed_job_tried_again(where: str):
    make_rows(2)
    job = failed_job(PAGES[where].model)
    assert "将重试 1 条" in unescape(Operator().act(where, "retry", job))
    job.refresh_from_db()
    assert (job.status, job.attempts, job.finished_at, job.last_error) == (JobStatus.WAITING, 0, None, "")


@pytest.mark.parametrize("where", JOBS)
def test_an_operator_closes_failed_and_waiting_jobs(where: str):
    make_rows(2)
    failed = failed_job(PAGES[where].model)
    waiting = PAGES[where].model._base_manager.exclude(pk=failed.pk).first()
    operator = Operator()
    assert "已关闭 2 条" in unescape(operator.act(where, "close", failed, waiting))
    for job in (failed, waiting):
        job.refresh_from_db()
        assert (job.status, job.last_error) == (JobStatus.CLOSED, f"由 {operator.user.username} 关闭")


@pytest.mark.parametrize("where", JOBS)
def test_a_job_that_is_being_attempted_is_not_closed(where: str):
    make_rows(1)
    job = PAGES[where].model._base_manager.first()
    PAGES[where].model._base_manager.update(leased_until=timezone.now() + timedelta(minutes=1))
    assert "已经完成，或正在处理" in unescape(Operator().act(where, "close", job))
    job.refresh_from_db()
    assert job.finished_at is None


def test_a_mass_message_whose_job_is_closed_has_failed():
    make_rows(1)
    job = failed_job(ScheduledSending)
    Operator().act("launches/scheduledsending", "close", job)
    message = MassMessage.objects.get(pk=job.pk)
    assert message.status == MassMessage.Status.FAILED
    assert "关闭" in message.groups.get().reason


def test_a_failed_event_that_is_closed_keeps_its_traceback():
    make_rows(1)
    GatewayEvent.objects.update(status=GatewayEvent.Status.FAILED, finished_at=timezone.now(), note="Traceback")
    Operator().act("integrations/gatewayevent", "close", *GatewayEvent.objects.all())
    event = GatewayEvent.objects.get()
    assert event.status == GatewayEvent.Status.IGNORED
    assert re.fullmatch(r"由 \S+ 关闭\nTraceback", event.note)


def test_the_page_counts_no_message_of_a_paused_launch():
    make_rows(1)
    before = int(shown(Operator())["发件箱"][0])
    OutboxMessage.objects.filter(pk=OutboxMessage.objects.first().pk).update(is_held=True)
    assert int(shown(Operator())["发件箱"][0]) == before - 1


@pytest.mark.parametrize(("minutes", "is_late"), [(4, False), (6, True)])
def test_an_event_that_waits_too_long_is_urgent(root: Operator, minutes: int, is_late: bool):
    due = timezone.now() - timedelta(minutes=minutes)
    make_rows(1)
    GatewayEvent.objects.update(status=0, finished_at=None, received_at=due, next_attempt_at=due)
    page = root.page("").replace("\xa0", " ")
    assert ("<strong>1</strong><span>网关事件：等待过久</span>" in page) == is_late
    assert f"最久 {minutes}" in page


def test_an_operators_act_is_on_the_dashboard_at_once(root: Operator):
    assert "打款已暂停</a>" in root.page("")
    root.clicks("earnings/payout", "pause", confirmed="yes", reason="对账")
    assert "<strong>1</strong><span>打款已暂停</span><small>对账</small>" in root.page("")
