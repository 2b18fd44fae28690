"""Invites colleagues, and lets them choose a password."""

import logging
from smtplib import SMTPException
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from config.access.backoffice.password_reset_pages import ConfirmView
from config.access.passwords.invitations import (
    build_invitation_link,
    invitation_tokens,
    invite_user,
    is_invited,
    mail_invitation,
)
from config.access.passwords.mail import is_mail_configured
from config.access.privileges import can_manage_user, filter_grantable_groups
from config.access.roles import ROLE_DESCRIPTIONS, get_role_label
from config.foundation.audit_log import record_action
from config.foundation.backoffice.permissions import check_permissions

logger = logging.getLogger(__name__)


class RoleField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Group) -> str:
        description = ROLE_DESCRIPTIONS.get(obj.name)
        return f"{get_role_label(obj.name)} – {description}" if description else get_role_label(obj.name)


class InvitationForm(forms.Form):
    """Whom to invite, and their role."""

    email = forms.EmailField(
        label=gettext_lazy("email address"),
        max_length=150,  # of a user name
        widget=UnfoldAdminEmailInputWidget(attrs={"autocomplete": "off", "autofocus": True}),
    )
    first_name = forms.CharField(
        label=gettext_lazy("first name"), max_length=150, required=False, widget=UnfoldAdminTextInputWidget
    )
    last_name = forms.CharField(
        label=gettext_lazy("last name"), max_length=150, required=False, widget=UnfoldAdminTextInputWidget
    )
    role = RoleField(label=gettext_lazy("role"), queryset=Group.objects.none(), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, inviter: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inviter = inviter
        role = self.fields["role"]
        assert isinstance(role, RoleField)
        role.queryset = filter_grantable_groups(inviter).order_by("name")

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        users = User.objects.filter(email__iexact=email) | User.objects.filter(username__iexact=email)
        for user in users:
            if not is_invited(user) or not can_manage_user(self.inviter, user):
                raise forms.ValidationError(
                    _("%(email)s already has an account. Change the role on the user's page.") % {"email": email}
                )
        return email


def show_invitation(request: HttpRequest) -> HttpResponse:
    """Show the form; a POST invites, and shows the link if it cannot be emailed."""
    check_permissions(request, "auth.add_user")
    form = InvitationForm(request.POST or None, inviter=request.user)
    context: dict[str, Any] = {"form": form, "mail_is_configured": is_mail_configured()}
    if request.method == "POST" and form.is_valid():
        user = invite_user(**form.cleaned_data)
        record_action("user.invited", instance=user, label=str(user), details={"role": form.cleaned_data["role"].name})
        link = build_invitation_link(user, origin=request.build_absolute_uri("/")[:-1])
        if send_invitation(request, user, link):
            return HttpResponseRedirect(reverse("admin:auth_user_changelist"))
        context |= {"link": link, "invited": user}
    page = {"title": _("Invite a colleague"), "opts": User._meta}
    status = 422 if form.errors else None
    return TemplateResponse(
        request, "admin/access/invitation.html", {**admin.site.each_context(request), **page, **context}, status=status
    )


def send_invitation(request: HttpRequest, user: User, link: str) -> bool:
    """Return whether an e-mail with the link was sent; the page reports it."""
    if not is_mail_configured():
        return False
    try:
        mail_invitation(user, link=link, invited_by=request.user.get_username())
    except (SMTPException, OSError) as error:
        logger.warning("The invitation could not be sent", exc_info=True)
        messages.error(request, _("The mail server did not accept the message: %(error)s") % {"error": error})
        return False
    messages.success(
        request, _("An invitation was sent to %(address)s. The link is valid for three days.") % {"address": user.email}
    )
    return True


class InvitationView(ConfirmView):
    """Lets an invited user choose their first password."""

    token_generator = invitation_tokens
    template_name = "admin/access/accept_invitation.html"
    title = gettext_lazy("Welcome: choose a password")
