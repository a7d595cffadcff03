"""The queues in the admin: one page with the state of all, and the actions of their lists.

Each app's admin registers its queues (`register_queue`). Counts stop at a limit, and are cached, so the cost of the page
does not grow with the tables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice import dashboard
from config.backoffice.actions import Confirmed, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin
from config.backoffice.changelist import capped_count, capped_text
from config.backoffice.texts import Label
from config.platform import heartbeats
from config.platform.dates import shanghai_time
from config.platform.queues import JobStatus

THROUGHPUT_OVER = timedelta(hours=1)
Moment = Callable[[datetime], Q]


@dataclass(frozen=True)
class Queue:
    """A queue on the page. The conditions are those of its indexes; the queries filter its list in the same way."""

    model: type[Model]
    waiting: Q
    failed: Q
    due: Moment  # now → the condition that a waiting row may be attempted
    finished: Moment  # since → the condition that a row was finished since
    oldest_by: str  # the order in which an index finds the oldest due row
    waiting_query: str
    failed_query: str
    note: Label  # why its list lacks the actions of the others


_queues: list[Queue] = []


def register_queue(
    model: type[Model],
    *,
    waiting: Q = Q(finished_at__isnull=True),  # noqa: B008 - never changed
    failed: Q = Q(status=JobStatus.FAILED),  # noqa: B008 - never changed
    due: Moment = lambda now: Q(next_attempt_at__lte=now),
    finished: Moment = lambda since: Q(finished_at__gte=since),
    oldest_by: str = "next_attempt_at",
    waiting_query: str = f"status__exact={JobStatus.WAITING}",
    failed_query: str = f"status__exact={JobStatus.FAILED}",
    note: Label = "",
    late_after: timedelta | None = None,
) -> None:
    """Register a queue. The dashboard warns when a due row has waited for longer than `late_after`."""
    queue = Queue(model, waiting, failed, due, finished, oldest_by, waiting_query, failed_query, note)
    _queues.append(queue)
    if late_after is not None:
        options = model._meta
        dashboard.register_task(
            format_lazy("{}：{}", options.verbose_name_plural, _("等待过久")),
            page=f"{options.app_label}_{options.model_name}",
            query=waiting_query,
            permission=f"{options.app_label}.view_{options.model_name}",
            count=lambda: _late(queue, late_after),
            is_urgent=True,
        )


def _late(queue: Queue, late_after: timedelta) -> tuple[int, str]:
    """Return how many rows wait for too long, and how long the oldest has waited."""
    now = timezone.now()
    due = queue.model._base_manager.order_by().filter(queue.waiting)
    oldest = _oldest(due.filter(queue.due(now)), queue)
    if oldest is None:
        return 0, ""
    remark = gettext("最久 %s") % timesince(oldest, now, depth=1)
    return capped_count(due.filter(queue.due(now - late_after))), remark


def _oldest(due: QuerySet[Any], queue: Queue) -> datetime | None:
    return due.order_by(queue.oldest_by).values_list("next_attempt_at", flat=True).first()


def queues_of(request: HttpRequest) -> list[Queue]:
    """Return the queues whose lists the operator may see."""
    return [queue for queue in _queues if admin.site._registry[queue.model].has_view_permission(request)]


def show_queues(request: HttpRequest) -> HttpResponse:
    """Show the state of the operator's queues."""
    shown = queues_of(request)
    if not shown:
        raise PermissionDenied
    now = timezone.now()
    context = {
        **admin.site.each_context(request),
        "title": gettext("任务队列"),
        "rows": [_row(queue, now) for queue in shown],
        "processes": [(process.label, moment) for process, moment in heartbeats.last_seen().items()],
        "missing": [process.label for process in heartbeats.missing(at=now)],
    }
    return TemplateResponse(request, "admin/queues.html", context)


def _row(queue: Queue, now: datetime) -> dict[str, Any]:
    options = queue.model._meta
    address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    name = f"queue:{options.label_lower}"
    waiting, oldest, failed, finished = dashboard.fresh(name, lambda: _figures(queue, now))
    return {
        "title": options.verbose_name_plural,
        "note": queue.note,
        "address": address,
        "waiting": capped_text(waiting),
        "waiting_address": f"{address}?{queue.waiting_query}",
        "oldest": timesince(oldest, now, depth=1) if oldest else "",
        "failed": capped_text(failed),
        "has_failed": failed > 0,
        "failed_address": f"{address}?{queue.failed_query}",
        "finished": capped_text(finished),
    }


def _figures(queue: Queue, now: datetime) -> tuple[int, datetime | None, int, int]:
    """Return how many rows wait, since when the oldest is due, how many failed, and how many were finished lately."""
    rows = queue.model._base_manager.order_by()
    waiting = rows.filter(queue.waiting)
    return (
        capped_count(waiting),
        _oldest(waiting.filter(queue.due(now)), queue),
        capped_count(rows.filter(queue.failed)),
        capped_count(rows.filter(queue.finished(now - THROUGHPUT_OVER)).exclude(queue.failed)),
    )


def retry_action(*, permission: str, question: Label = "") -> Any:
    """Return the action that has failed jobs attempted again."""

    def retry(model_admin: Any, chosen: Confirmed) -> int:
        done: int = model_admin.model.objects.filter(pk__in=chosen.keys).reopen(at=chosen.at)
        return done

    return confirmed(
        _("重试"),
        permission=permission,
        question=question or _("将重新尝试其中失败的任务。"),
        did=_("将重试"),
        why_not=_("没有失败"),
    )(retry)


def close_action(
    *,
    permission: str,
    question: Label = "",
    close: Callable[[Confirmed, str], int] | None = None,
) -> Any:
    """Return the action that closes failed and waiting jobs. `close` takes what was confirmed, and the reason."""

    def close_jobs(model_admin: Any, chosen: Confirmed) -> int:
        reason = f"由 {chosen.by} 关闭"
        if close is not None:
            return close(chosen, reason)
        done: int = model_admin.model.objects.filter(pk__in=chosen.keys).close(at=chosen.at, reason=reason)
        return done

    close_jobs.__name__ = "close"
    return confirmed(
        _("关闭"),
        permission=permission,
        question=question or _("其中失败和等待的任务不再处理。"),
        did=_("已关闭"),
        why_not=_("已经完成，或正在处理"),
    )(close_jobs)


class QueueAdmin(ReadOnlyAdmin):
    """The list of a queue's jobs. Subclasses define `retry` and `close`, with their permission."""

    actions = ("retry", "close", *EXPORTS)

    def is_action_available(self, action: str, obj: Any) -> bool:
        """Return whether the job failed, or for `close` also whether it waits."""
        if not super().is_action_available(action, obj):
            return False
        return obj.status == JobStatus.FAILED or (action == "close" and obj.finished_at is None)


def _missing_processes() -> tuple[int, str]:
    """Return how many kinds of processes do not work, and since when."""
    found = heartbeats.missing(at=timezone.now())
    parts = [
        f"{process.label}（{shanghai_time(moment) if moment else gettext('从未运行')}）"
        for process, moment in found.items()
    ]
    return len(found), "、".join(parts)


dashboard.register_task(
    _("停止的进程"),
    page="queues",
    query="",
    permission="robots.view_outboxmessage",
    count=_missing_processes,
    is_urgent=True,
)
