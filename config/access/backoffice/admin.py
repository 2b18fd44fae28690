"""Back-office pages of API keys."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from config.access.grants import clear_key_cache
from config.access.keys import generate_key, rotate_api_key
from config.access.models import ApiKey
from config.access.scopes import KNOWN_SCOPES
from customers.events.backoffice.key_pages import KeyPages


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        required=False,
        choices=[(scope, format_lazy("{}: {}", scope, text)) for scope, (text, _permission) in KNOWN_SCOPES.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_(
            "Permissions of a secret key. A publishable key has no scopes: it can only request recommendations."
        ),
    )

    class Meta:
        model = ApiKey
        fields = ["name", "kind", "scopes", "requests_per_minute", "enabled", "expires_at"]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        kind = self.cleaned_data.get("kind", self.instance.kind)
        if kind == ApiKey.Kind.PUBLISHABLE and self.cleaned_data.get("scopes"):
            self.add_error(
                "scopes", _("A publishable key cannot have scopes, because every visitor of the shop can read it.")
            )
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(KeyPages, ModelAdmin):
    form = ApiKeyForm
    list_display = ["name", "kind", "hint", "enabled", "expires_at", "previous_expires_at", "last_used_at"]
    list_filter = ["kind", "enabled"]
    search_fields = ["name", "hint"]
    readonly_fields = ["hint", "previous_expires_at", "created_at", "last_used_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        # the type is part of the key's text
        return [*self.readonly_fields, "kind"] if obj is not None else list(self.readonly_fields)

    def generate_key(self, obj: ApiKey, *, now: datetime) -> str:
        return generate_key(obj, now=now)

    def rotate_key(self, obj: ApiKey, *, now: datetime, overlap: timedelta) -> str:
        return rotate_api_key(key_id=obj.pk, now=now, overlap=overlap)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        clear_key_cache()
