"""Connected programs: which may ask members of the team for consent, and which have it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from oauth2_provider.models import AccessToken, Application, Grant, IDToken, RefreshToken
from unfold.admin import ModelAdmin

from config.assistant.oauth.registration import check_redirect_uris

for model in (Application, AccessToken, Grant, IDToken, RefreshToken):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class ProgramForm(forms.ModelForm):
    class Meta:
        model = Application
        fields = ["name", "redirect_uris"]

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
    fields = ["name", "redirect_uris", "client_id", "registration_source", "created"]
    readonly_fields = ["client_id", "registration_source", "created"]
    list_display = ["name", "client_id", "registration_source", "created"]
    search_fields = ["name", "client_id"]
    ordering = ["-created", "id"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.client_type = Application.CLIENT_PUBLIC
            obj.authorization_grant_type = Application.GRANT_AUTHORIZATION_CODE
        super().save_model(request, obj, form, change)
