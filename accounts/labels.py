"""Users on pages for operators: nickname and masked phone, with a link to the user's page."""

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from config.platform.characters import isolated
from config.platform.logging import masked


def person_label(user: User) -> str:
    """Return the user's nickname and masked phone: nicknames are not unique."""
    return " ".join(part for part in (isolated(str(user)), masked(user.phone or "")) if part)


def person_link(user: User) -> SafeString:
    """Return a link to the user's page with nickname and masked phone."""
    page = reverse("admin:accounts_user_change", args=[user.pk])
    return format_html('<a href="{}">{}</a>', page, person_label(user))
