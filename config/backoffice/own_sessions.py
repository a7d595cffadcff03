"""The page on which operators see where they are signed in, and sign out elsewhere."""

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from config.backoffice import sessions
from config.backoffice.browsers import browser_name
from config.platform.dates import shanghai_time

SHOWN = 100


def show(request: HttpRequest) -> HttpResponse:
    """List the operator's open sessions; a POST ends the one it names, or all others."""
    if request.method == "POST":
        return _sign_out(request)
    this = request.session.session_key
    found = sessions.open_sessions(request.user)
    rows = [
        {
            "id": one.id,
            "signed_in_at": shanghai_time(one.signed_in_at),
            "last_used_at": shanghai_time(one.last_used_at),
            "address": one.address or "-",
            "browser": browser_name(one.user_agent),
            "is_this": one.key == this,
        }
        for one in sorted(found, key=lambda one: one.key != this)
    ]
    context = {
        **admin.site.each_context(request),
        "title": _("我的登录"),
        "rows": rows[:SHOWN],
        "has_others": len(rows) > 1,
    }
    return TemplateResponse(request, "admin/own_sessions.html", context)


def _sign_out(request: HttpRequest) -> HttpResponse:
    this = str(request.session.session_key)
    others = {one.id: one.key for one in sessions.open_sessions(request.user) if one.key != this}
    if request.POST.get("do") == "others":
        sessions.end_others(request.user, than=this)
        messages.success(request, _("已退出其他全部登录。"))
    elif key := others.get(request.POST.get("session", "")):
        sessions.end(request.user, key)
        messages.success(request, _("已退出该登录。"))
    else:
        raise Http404
    return HttpResponseRedirect(request.path)
