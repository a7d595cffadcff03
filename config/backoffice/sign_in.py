"""The operators' sign-in page: limited input, and a rate limit per address that applies before a password is hashed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import UsernameField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy
from django_otp.plugins.otp_totp.models import TOTPDevice

from config.api.throttles import client_address, seconds_over_limit
from config.backoffice import recovery
from config.backoffice.passwords import LONGEST_PASSWORD
from config.backoffice.two_factor import CODE_NEEDED, CODE_WRONG, code_field, matching_device

LONGEST_USERNAME = 64  # the length of the column in accounts.User
# Hashing a password takes a third of a second of CPU. Several at once, even from different addresses, would take the
# threads and the CPU from the requests of users.
_password_check = threading.Lock()


class SignInForm(AdminAuthenticationForm):
    """The form for the name, the password and, for operators with a second factor, the code."""

    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "invalid_login": gettext_lazy("登录名或密码不对，请检查大小写后再试。"),
    }
    username = UsernameField(
        label=gettext_lazy("登录名"),
        max_length=LONGEST_USERNAME,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )
    password = forms.CharField(
        label=gettext_lazy("密码"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    code = code_field(required=False, longest=recovery.LONGEST_TYPED)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = self.cleaned_data if self.errors else super().clean()
        operator = self.get_user()
        if operator is not None and TOTPDevice.objects.filter(user=operator, confirmed=True).exists():
            if not cleaned.get("code"):
                raise forms.ValidationError(CODE_NEEDED, code="code_needed")
            device = matching_device(operator, cleaned["code"], via=reverse("admin:login"))
            if device is None:
                raise forms.ValidationError(CODE_WRONG, code="code_wrong")
            operator.otp_device = device  # type: ignore[attr-defined]  # django_otp stores it in the session
        return cleaned


def refuse_too_many(request: HttpRequest) -> HttpResponse | None:
    """Count one attempt of this address. Returns a page with status 429 beyond the limit, else None.

    Each attempt costs a password hash, and the lock after wrong passwords does not catch changing names. While Redis
    is down nothing is counted: operators must be able to sign in to find the problem.
    """
    wait = seconds_over_limit("operator_sign_in", client_address(request))
    return _refused(request, seconds=wait) if wait else None


@contextmanager
def password_slot(request: HttpRequest) -> Iterator[HttpResponse | None]:
    """Take this process's only slot for a password check. Yields None, or a page with status 429 when it is taken."""
    if not _password_check.acquire(blocking=False):
        yield _refused(request, seconds=1, is_busy=True)
        return
    try:
        yield None
    finally:
        _password_check.release()


def _refused(request: HttpRequest, *, seconds: int, is_busy: bool = False) -> HttpResponse:
    context = {**admin.site.each_context(request), "seconds": seconds, "is_busy": is_busy}
    headers = {"Retry-After": str(seconds)}
    return TemplateResponse(request, "admin/sign_in_too_often.html", context, status=429, headers=headers)
