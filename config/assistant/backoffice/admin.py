"""Connected programs: which may ask members of the team for consent, and which have it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from oauth2_provider.models import AccessToken, Application, Grant, IDToken, RefreshToken

from config.assistant.oauth.registration import check_redirect_uris
from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.number_formats import format_moment

for model in (Application, AccessToken, Grant, IDToken, RefreshToken):
    if admin.site.is_registered(model):
        admin.site.unregister(model)

# The package has no translations and calls its model "application". Migrations do not contain what is set here.
Application._meta.verbose_name = _("connected program")
Application._meta.verbose_name_plural = _("connected programs")

SOURCE_LABELS = {
    Application.RegistrationSource.MANUAL: _("entered by hand"),
    Application.RegistrationSource.DCR: _("registered by the program"),
    Application.RegistrationSource.CIMD: _("from the program's metadata document"),
}


class ProgramForm(forms.ModelForm):
    class Meta:
        model = Application
        fields = ["name", "redirect_uris"]
        labels = {"name": _("name"), "redirect_uris": _("redirect addresses")}
        help_texts = {
            "redirect_uris": _(
                "The addresses to which the person returns after consenting, separated by spaces or lines."
            )
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = self.fields["redirect_uris"].required = True

    def clean_redirect_uris(self) -> str:
        uris: str = self.cleaned_data["redirect_uris"]
        check_redirect_uris(uris.split())
        return uris


@admin.register(Application)
class ProgramAdmin(ModelAdmin):
    """A program is public: it proves itself by PKCE, not by a secret. Deleting it ends its access immediately."""

    form = ProgramForm
    fields = ["name", "redirect_uris", "program_client_id", "source", "created_at"]
    readonly_fields = ["program_client_id", "source", "created_at"]
    list_display = ["program_name", "program_client_id", "source", "created_at"]
    search_fields = ["name", "client_id"]
    ordering = ["-created", "id"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name", "redirect_uris"] if obj is None else super().get_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.client_type = Application.CLIENT_PUBLIC
            obj.authorization_grant_type = Application.GRANT_AUTHORIZATION_CODE
        super().save_model(request, obj, form, change)

    @admin.display(description=_("name"), ordering="name")
    def program_name(self, program: Any) -> str:
        return str(program)

    @admin.display(description=_("client ID"), ordering="client_id")
    def program_client_id(self, program: Any) -> str:
        return str(program.client_id)

    @admin.display(description=pgettext_lazy("program", "registration"), ordering="registration_source")
    def source(self, program: Any) -> str:
        return str(SOURCE_LABELS.get(program.registration_source, program.get_registration_source_display()))

    @admin.display(description=_("created at"), ordering="created")
    def created_at(self, program: Any) -> str:
        return format_moment(program.created)
