"""Links from launches and mass messages to their messages in the outbox."""

from collections.abc import Iterable

from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from robots.models import OutboxMessage


def message_links_of(messages: Iterable[OutboxMessage]) -> str:
    """Return a line per message, with a link to the page that shows its attempts."""
    page = "admin:robots_outboxmessage_change"
    return format_html_join(
        mark_safe("<br>"),
        '<a href="{}">{}</a> {}',
        ((reverse(page, args=[message.pk]), message, message.get_status_display()) for message in messages),
    )
