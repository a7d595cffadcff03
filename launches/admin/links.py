"""Links from launches and mass messages to their messages in the outbox."""

from collections.abc import Iterable

from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from config.backoffice.readable import row_link
from robots.models import OutboxMessage


def message_links_of(messages: Iterable[OutboxMessage]) -> str:
    """Return a line per message, with a link to the page that shows its attempts."""
    lines = ((row_link(message), message.get_status_display()) for message in messages)
    return format_html_join(mark_safe("<br>"), "{} {}", lines)
