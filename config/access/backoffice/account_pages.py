"""Second factor and sessions of colleagues, on the pages of users."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Greatest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from unfold.decorators import action, display

from config.access.backoffice.invitation_pages import show_invitation
from config.access.backoffice.session_pages import report_ended_sessions
from config.access.models import TwoFactorDevice, UserSession
from config.access.passwords.invitations import is_invited
from config.access.roles import get_role_label
from config.access.sessions.active_sessions import end_sessions, list_active_sessions
from config.access.two_factor.devices import disable_two_factor, has_device
from config.foundation.audit_log import record_action
from config.foundation.number_formats import format_age, format_moment


class AccountPages:
    """ModelAdmin mixin for users: whoever may change a user resets the second factor and ends the sessions.

    `GrantLimits` decides who may do so: nobody with fewer permissions than the user.
    """

    actions_detail = ["show_account_security"]
    actions_list = ["invite"]

    @action(
        description=gettext_lazy("Invite a colleague"),
        icon="person_add",
        url_path="invite",
        permissions=["add"],
    )
    def invite(self, request: HttpRequest) -> HttpResponse:
        return show_invitation(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        devices = TwoFactorDevice.objects.filter(user=OuterRef("pk"))
        sessions = UserSession.objects.filter(user=OuterRef("pk")).order_by(F("last_active_at").desc(nulls_last=True))
        users = super().get_queryset(request)  # type: ignore[misc]
        return users.prefetch_related("groups").annotate(
            has_two_factor=Exists(devices),
            last_seen_at=Greatest("last_login", Subquery(sessions.values("last_active_at")[:1])),
        )

    @display(description=gettext_lazy("name"), ordering="username")
    def name_and_address(self, user: Any) -> str:
        return user.get_full_name() or user.get_username()

    @display(description=gettext_lazy("roles"))
    def roles(self, user: Any) -> str:
        names = [get_role_label(group.name) for group in user.groups.all()]
        return ", ".join([_("all permissions"), *names] if user.is_superuser else names) or "–"

    @display(description=gettext_lazy("status"), label={"active": "success", "invited": "info", "off": "danger"})
    def account_status(self, user: Any) -> tuple[str, str]:
        if not user.is_active:
            return "off", _("deactivated")
        return ("invited", _("invited")) if is_invited(user) else ("active", pgettext("account", "active"))

    @display(description=gettext_lazy("last seen"), ordering="last_seen_at")
    def last_seen(self, user: Any) -> SafeString:
        text = format_age(user.last_seen_at, as_of=now()) if user.last_seen_at else _("never")
        return format_html('<span title="{}">{}</span>', format_moment(user.last_seen_at), text)

    @display(description=gettext_lazy("two-factor authentication"), boolean=True, ordering="has_two_factor")
    def two_factor_state(self, user: Any) -> bool:
        return user.has_two_factor

    @action(description=gettext_lazy("Sessions and second factor"), icon="security", url_path="security")
    def show_account_security(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the sessions and the second factor of a colleague, with buttons that end and reset them."""
        user = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if user is None:
            raise Http404
        if not self.has_change_permission(request, user):  # type: ignore[attr-defined]
            raise PermissionDenied
        if user == request.user:  # one's own second factor is turned off with a code
            return redirect("account:two_factor")
        if request.method == "POST":
            change_account_security(request, user)
            return redirect(request.path)
        context = {
            "title": _("Sessions and second factor"),
            "opts": User._meta,
            "colleague": user,
            "original": user,
            "has_device": has_device(user),
            "sessions": list_active_sessions(user),
        }
        template = "admin/access/account_security.html"
        return TemplateResponse(request, template, {**admin.site.each_context(request), **context})


def change_account_security(request: HttpRequest, user: Any) -> None:
    """Reset the second factor of a colleague, or end one or all of their sessions."""
    if request.POST.get("action") == "reset_two_factor":
        disable_two_factor(user)
        end_sessions(user)
        record_action("two_factor.reset", instance=user)
        messages.success(
            request, _("The second factor of %(name)s was reset, and all sessions were ended.") % {"name": user}
        )
        return
    name = request.POST.get("session")
    ended = end_sessions(user, names=None if name is None else [name])
    report_ended_sessions(request, ended)
    if ended:
        record_action("session.ended", instance=user, details={"count": ended})
