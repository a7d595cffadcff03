"""The second factor of operators: a code from an authenticator app (TOTP), or a recovery code."""

import io
from typing import Any

import segno
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django_otp import login as remember_second_factor
from django_otp import match_token
from django_otp.models import Device
from django_otp.plugins.otp_totp.models import TOTPDevice

from config.backoffice import recovery
from config.platform import audit

DIGITS = 6  # the length of a code from the app
REPLACING = "replaces_second_factor"  # the session key set between the check of the old code and the first new code
CODE_NEEDED = gettext_lazy("请输入身份验证器上的 6 位验证码。")
CODE_WRONG = gettext_lazy("验证码不正确或已过期，请用最新的验证码重试。")


def is_verified(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_verified", bool)())


def code_field(*, required: bool, longest: int = DIGITS) -> forms.CharField:
    """Return a field for a code of the app, or with a greater length also for a recovery code."""
    attrs = {"autocomplete": "one-time-code", **({"inputmode": "numeric"} if longest == DIGITS else {})}
    widget = forms.TextInput(attrs=attrs)
    return forms.CharField(label=gettext_lazy("验证码"), required=required, max_length=longest, widget=widget)


def matching_device(operator: Any, code: str, *, via: str) -> Device | None:
    """Return the operator's device that accepts the code, else None. The audit log records a used recovery code."""
    typed = recovery.as_typed(code)
    if len(typed) == DIGITS:
        return match_token(operator, typed)
    with audit.acting(by=operator.get_username(), via=via):
        return match_token(operator, typed)


class CodeForm(forms.Form):
    code = code_field(required=True)


class AnyCodeForm(forms.Form):
    code = code_field(required=True, longest=recovery.LONGEST_TYPED)


@never_cache
@login_required(login_url="admin:login")
def enrol(request: HttpRequest) -> HttpResponse:
    """Show a QR code to scan. The first correct code activates the app as the operator's second factor.

    The replaced app works until then. The recovery codes are shown once, with the response.
    """
    if not (request.user.is_active and request.user.is_staff):
        return HttpResponseRedirect(reverse("admin:login"))
    if TOTPDevice.objects.filter(user=request.user, confirmed=True).exists() and REPLACING not in request.session:
        return _manage(request)
    device, _created = TOTPDevice.objects.get_or_create(
        user=request.user, confirmed=False, defaults={"name": request.user.get_username()}
    )
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if device.verify_token(form.cleaned_data["code"]):
            with audit.acting(by=request.user.get_username(), via=request.path):
                TOTPDevice.objects.filter(user=request.user, confirmed=True).delete()
                device.confirmed = True
                device.save(update_fields=["confirmed"])
                codes = recovery.renew(request.user)
            request.session.pop(REPLACING, None)
            remember_second_factor(request, device)
            messages.success(request, _("两步验证已启用，以后登录需要验证码。"))
            return _page(request, {"is_enrolled": True, "codes": codes})
        form.add_error("code", str(CODE_WRONG))
    return _page(request, {"form": form, "picture": _picture(device), "secret": _secret(device)})


def _manage(request: HttpRequest) -> HttpResponse:
    """Give an enrolled operator new recovery codes or a new app. Both require a current code."""
    form = AnyCodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if matching_device(request.user, form.cleaned_data["code"], via=request.path) is None:
            form.add_error("code", str(CODE_WRONG))
        elif request.POST.get("do") == "replace":
            request.session[REPLACING] = True
            return HttpResponseRedirect(request.path)
        else:
            with audit.acting(by=request.user.get_username(), via=request.path):
                codes = recovery.renew(request.user)
            return _page(request, {"is_enrolled": True, "codes": codes})
    return _page(request, {"is_enrolled": True, "form": form, "left": recovery.count_left(request.user)})


def _page(request: HttpRequest, shown: dict[str, Any]) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": _("两步验证"),
        "is_needed": settings.OPERATOR_TWO_FACTOR,
        **shown,
    }
    return TemplateResponse(request, "admin/two_factor.html", context)


def _picture(device: TOTPDevice) -> str:
    image = io.BytesIO()
    segno.make(device.config_url).save(image, kind="svg", scale=5, xmldecl=False, svgns=True)
    return mark_safe(image.getvalue().decode())  # noqa: S308 - generated above


def _secret(device: TOTPDevice) -> str:
    """Return the secret as text, for apps that cannot scan."""
    return str(device.config_url).split("secret=")[1].split("&")[0]
