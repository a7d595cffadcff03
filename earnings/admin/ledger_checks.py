"""The admin page of ledger checks, and the task for their findings on the dashboard."""

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice import dashboard
from config.backoffice.base import ReadOnlyAdmin
from config.backoffice.readable import raw, row_link
from config.platform.lookups import as_uuid
from earnings import ledger_check
from earnings.models import Account, LedgerCheck


@admin.register(LedgerCheck)
class LedgerCheckAdmin(ReadOnlyAdmin):
    list_display = ("checked_at", "__str__")
    fields = ("checked_at", "shown_findings")
    readonly_fields = ("shown_findings",)
    ordering = ("-id",)

    @admin.display(description=_("发现"))
    def shown_findings(self, check: LedgerCheck) -> SafeString:
        """Return a line for each finding, with a link to its account where it names one."""
        findings = [finding.partition("：")[::2] for finding in check.findings]
        keys = [key for _label, key in findings if as_uuid(key)]
        accounts = {str(row.pk): row for row in Account.objects.select_related("user").filter(pk__in=keys)}
        lines = ((label, row_link(accounts[key]) if key in accounts else raw(key)) for label, key in findings)
        return format_html_join("", "<div>{}：{}</div>", lines) or format_html("{}", gettext("账务正常"))


def _alarm() -> tuple[int, str]:
    """Return the number of findings of the last ledger check and a note. An overdue check counts as one finding."""
    last = ledger_check.last_check()
    if ledger_check.is_overdue(last, at=timezone.now()):
        return 1, gettext("账务检查超过 26 小时没有运行")
    if last is None:
        return 0, gettext("还没有检查过")
    return len(last.findings), gettext("检查于 %s") % f"{timezone.localtime(last.checked_at):%m-%d %H:%M}"


dashboard.register_task(
    _("账务不符"),
    page="earnings_ledgercheck",
    query="",
    permission="earnings.view_ledgercheck",
    count=_alarm,
    is_urgent=True,
)
