"""The admin page of periodic tasks: what each is for, when it runs, and when it last ran."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from config.backoffice import dashboard
from config.backoffice.actions import Confirmed, action, confirmed
from config.backoffice.base import EXPORTS, PreparedPage, ReadOnlyAdmin
from config.backoffice.readable import raw
from config.backoffice.texts import Label
from config.platform.dates import shanghai_time
from config.platform.job_runs import last_runs
from config.platform.wakeups import start_soon

_CHANGE_JOB = "django_celery_beat.change_periodictask"
# The title and purpose of each entry of `config.celery.SCHEDULE`.
JOBS: dict[str, tuple[Label, Label]] = {
    "inbox": (_("处理网关事件"), _("处理网关发来的、还没有处理的事件。")),
    "cancel jobs": (_("批量注销群"), _("继续办理没有完成的批量注销。")),
    "statistics": (_("汇总群数据"), _("把前一天的群消息和进退群汇总成每日群数据。")),
    "missed statistics": (_("补汇总群数据"), _("补上夜里没有完成的每日群数据。")),
    "message retention": (_("清理群消息"), _("删除超过保存期的群消息和@消息。")),
    "reminders": (_("提醒新人"), _("给还没有拉群的新人发提醒。")),
    "low stars": (_("清理低星群"), _("注销超出数量的低星群。")),
    "keyword clocks": (_("清理关键字回复记录"), _("删除旧的回复时间记录。")),
    "words to customer service": (_("转发给客服"), _("把用户的话转发到客服系统，失败的重试。")),
    "silent conversations": (_("结束沉默的会话"), _("结束长时间没有人说话的客服会话。")),
    "callback digests": (_("清理客服回调记录"), _("删除旧的客服回调记录。")),
    "talk retention": (_("清理客服会话"), _("删除超过保存期的客服会话。")),
    "mass messages": (_("发出群发"), _("把到时间的群发写入发件箱。")),
    "launch results": (_("回报投放结果"), _("把投放结果回报给投放系统，直到它接受。")),
    "launch switches": (_("通知投放开关"), _("把投放开关的变化通知投放系统。")),
    "mass-message drafts": (_("清理群发草稿"), _("删除过期的群发草稿。")),
    "text messages": (_("发送短信"), _("发送群发短信，失败的重试。")),
    "payouts": (_("发起打款"), _("把审核通过的提现提交给微信支付。")),
    "payout queries": (_("查询打款结果"), _("向微信支付查询还没有结果的打款。")),
    "settlement": (_("每日结算"), _("结算还没有结算的日期，把收益记入账户。")),
    "ledger check": (_("账务检查"), _("重算全部余额，核对账务是否相符。")),
    "messages of gone robots": (_("关闭失效机器人的消息"), _("关闭已移除或封号的机器人未发出的消息。")),
    "robot quotas": (_("机器人每日配额"), _("在零点定下每个机器人当天可以绑定的群数。")),
    "robot sync": (_("同步机器人"), _("与网关的机器人列表同步。")),
    "page visits": (_("保存访问次数"), _("把访问次数存入数据库。")),
    "link clicks": (_("保存短链点击"), _("把短链的点击次数存入数据库。")),
    "figures of the first page": (_("重算首页数字"), _("重算首页图表过去各天的数字。")),
    "ended sessions": (_("清理登录会话"), _("删除运营人员已经结束的登录。")),
    "alarms": (_("检查告警"), _("比较首页的紧急待办和已有的告警，变化时写下通知。")),
    "alarm notices": (_("发送告警通知"), _("把告警通知发到群机器人或邮箱，失败的重试。")),
    "retention": (_("清理网关事件"), _("删除超过保存期的网关事件。")),
}

for schedule in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(schedule)  # the schedule is defined in code: config/celery.py


def job_title(job: PeriodicTask) -> str:
    title, _description = JOBS.get(job.name, (job.name, ""))
    return str(title)


# Titles of pages, confirmations and the audit log name rows by str(); the package's own name has a cron expression.
PeriodicTask.add_to_class("__str__", job_title)


def times_of(job: PeriodicTask) -> str:
    """Return the times of a task as a sentence."""
    if job.interval:
        return _every(job.interval.every, job.interval.period)
    return _at(job.crontab) if job.crontab else "-"


def _every(count: int, period: str) -> str:
    if period == IntervalSchedule.SECONDS and count % 60 == 0:
        count, period = count // 60, IntervalSchedule.MINUTES
    texts = {IntervalSchedule.SECONDS: gettext("每 %s 秒"), IntervalSchedule.MINUTES: gettext("每 %s 分钟")}
    return texts.get(period, f"%s {period}") % count


def _at(crontab: CrontabSchedule) -> str:
    hour, minute = crontab.hour, crontab.minute
    if (crontab.day_of_week, crontab.day_of_month, crontab.month_of_year) != ("*", "*", "*"):
        return str(crontab)
    if minute.startswith("*"):
        return gettext("每 %s 分钟") % (minute.removeprefix("*").removeprefix("/") or 1)
    if hour == "*":
        return gettext("每小时第 %s 分") % int(minute)
    if "-" in hour:
        first, last = hour.split("-")
        return gettext("每天 %(first)s 点到 %(last)s 点，每小时第 %(minute)s 分") % {
            "first": first,
            "last": last,
            "minute": int(minute),
        }
    return gettext("每天 %s") % f"{int(hour):02}:{int(minute):02}"


@admin.register(PeriodicTask)
class JobAdmin(PreparedPage, ReadOnlyAdmin):
    """The periodic tasks of beat with their last run. Operators pause a task or run it now; its times are in the code."""

    list_display = ("title", "purpose", "schedule", "enabled", "last_run", "scheduled_runs")
    list_filter = ("enabled",)
    list_select_related = ("crontab", "interval")
    ordering = ("name",)
    fields = ("title", "purpose", "schedule", "enabled", "last_run", "scheduled_runs", "program")
    readonly_fields = ("title", "purpose", "schedule", "last_run", "scheduled_runs", "program")
    actions = ("run_now", "pause", "resume", *EXPORTS)

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        runs = last_runs()
        for row in rows:
            row.ran_at = max((at for at in (runs.get(row.task), row.last_run_at) if at), default=None)

    @admin.display(description=_("任务"))
    def title(self, job: PeriodicTask) -> str:
        return job_title(job)

    @admin.display(description=_("用途"))
    def purpose(self, job: PeriodicTask) -> str:
        _title, purpose = JOBS.get(job.name, ("", job.description))
        return str(purpose)

    @admin.display(description=_("时间"))
    def schedule(self, job: PeriodicTask) -> str:
        return times_of(job)

    @admin.display(description=_("最近运行"))
    def last_run(self, job: Any) -> str:
        """Return when the task last ran, by beat or on request."""
        ran_at: datetime | None = job.ran_at
        return shanghai_time(ran_at) if ran_at else gettext("还没有运行过")

    @admin.display(description=_("定时运行次数"))
    def scheduled_runs(self, job: PeriodicTask) -> str:
        return gettext("%s 次（不含立即运行）") % f"{job.total_run_count:,}"

    @admin.display(description=_("程序"))
    def program(self, job: PeriodicTask) -> SafeString:
        return raw(f"{job.name}\n{job.task}")

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and action != ("resume" if obj.enabled else "pause")

    @action(_("立即运行"), permission=_CHANGE_JOB)
    def run_now(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        names = list(queryset.values_list("task", flat=True))
        for name in names:
            start_soon(name)
        self.report(
            request, done=len(names), chosen=len(names), did=_("已要求运行，结束后“最近运行”会更新"), why_not=""
        )

    @confirmed(
        _("暂停"),
        permission=_CHANGE_JOB,
        title=_("暂停任务"),
        question=_("这些任务将不再自动运行，直到恢复。消息、结算、打款可能因此停下。"),
    )
    def pause(self, chosen: Confirmed) -> None:
        self._switch(chosen.request, chosen.rows, on=False)

    @action(_("恢复"), permission=_CHANGE_JOB)
    def resume(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        self._switch(request, queryset, on=True)

    def _switch(self, request: HttpRequest, queryset: QuerySet[PeriodicTask], *, on: bool) -> None:
        jobs = list(queryset)
        changed = [job for job in jobs if job.enabled != on]
        for job in changed:
            job.enabled = on
            job.save(update_fields=["enabled"])  # its post_save signal makes beat reload the schedule
        self.report(request, done=len(changed), chosen=len(jobs), did=_("已设置"), why_not=_("已经是该状态"))


dashboard.register_task(
    _("暂停的任务"),
    page="django_celery_beat_periodictask",
    query="enabled__exact=0",
    permission="django_celery_beat.view_periodictask",
    count=dashboard.counted(lambda: PeriodicTask.objects.filter(enabled=False)),
    is_urgent=True,
)
