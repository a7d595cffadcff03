"""Coloured labels for states: the colour repeats the text."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.backoffice.texts import Label


def label(text: Label, tone: str) -> SafeString:
    """Return a label in the colour of a state: done, waiting, failed, on its way, or ended."""
    return format_html('<span class="label {}">{}</span>', tone, text)
