"""The page with the user's own sessions."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.access.sessions.active_sessions import end_sessions, list_active_sessions
from config.foundation.audit_log import record_action


def show_sessions(request: HttpRequest) -> HttpResponse:
    """List the user's sessions; end one, or all but this one."""
    user: Any = request.user
    if request.method == "POST":
        name = request.POST.get("session")
        ended = end_sessions(user, names=None if name is None else [name], except_key=request.session.session_key)
        report_ended_sessions(request, ended)
        if ended:
            record_action("session.ended", instance=user, details={"count": ended})
        return redirect("account:sessions")
    context = {
        "title": _("Your sessions"),
        "sessions": list_active_sessions(user, current_key=request.session.session_key),
    }
    return TemplateResponse(request, "admin/access/sessions.html", {**admin.site.each_context(request), **context})


def report_ended_sessions(request: HttpRequest, ended: int) -> None:
    """Say how many sessions were ended."""
    if not ended:
        messages.info(request, _("The session had already ended."))
        return
    text = ngettext("%(count)s session was ended.", "%(count)s sessions were ended.", ended) % {"count": ended}
    messages.success(request, text)
