"""The page on which operators see their open sessions and end them."""

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from config.backoffice import sessions
from config.backoffice.browsers import browser_name
from config.platform.dates import shanghai_time

SHOWN = 100


def show(request: HttpRequest) -> HttpResponse:
    """List the operator's open sessions. A POST ends the named session, or all others."""
    if request.method == "POST":
        return _sign_out(request)
    this = request.session.session_key
    found = sessions.open_sessions(request.user)
    rows = [
        {
            "id": session.id,
            "signed_in_at": shanghai_time(session.signed_in_at),
            "last_used_at": shanghai_time(session.last_used_at),
            "address": session.address or "-",
            "browser": browser_name(session.user_agent),
            "is_this": session.key == this,
        }
        for session in sorted(found, key=lambda session: session.key != this)
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
    others = {session.id: session.key for session in sessions.open_sessions(request.user) if session.key != this}
    if request.POST.get("do") == "others":
        sessions.end_others(request.user, than=this)
        messages.success(request, _("已退出其他全部登录。"))
    elif key := others.get(request.POST.get("session", "")):
        sessions.end(request.user, key)
        messages.success(request, _("已退出该登录。"))
    else:
        raise Http404
    return HttpResponseRedirect(request.path)
