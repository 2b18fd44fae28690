"""Back office: keys of the REST API."""

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

from config.access.grants import forget_keys
from config.access.keys import draw_key, rotate_key
from config.access.models import ApiKey
from config.access.scopes import KNOWN_SCOPES
from customers.events.backoffice.key_pages import KeyPages


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        required=False,
        choices=[(scope, format_lazy("{}: {}", scope, text)) for scope, (text, _permission) in KNOWN_SCOPES.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("What a secret key may do. A publishable key has none: it may only ask for recommendations."),
    )

    class Meta:
        model = ApiKey
        fields = ["name", "kind", "scopes", "requests_per_minute", "enabled", "expires_at"]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        kind = self.cleaned_data.get("kind", self.instance.kind)
        if kind == ApiKey.Kind.PUBLISHABLE and self.cleaned_data.get("scopes"):
            self.add_error("scopes", _("A publishable key has no scopes: every visitor of the shop can read it."))
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(KeyPages, ModelAdmin):
    form = ApiKeyForm
    list_display = ["name", "kind", "hint", "enabled", "expires_at", "previous_expires_at", "last_used_at"]
    list_filter = ["kind", "enabled"]
    search_fields = ["name", "hint"]
    readonly_fields = ["hint", "previous_expires_at", "created_at", "last_used_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        # the kind is part of the key's own text
        return [*self.readonly_fields, "kind"] if obj is not None else list(self.readonly_fields)

    def draw_key(self, obj: ApiKey, *, now: datetime) -> str:
        return draw_key(obj, now=now)

    def rotate_key(self, obj: ApiKey, *, now: datetime, overlap: timedelta) -> str:
        return rotate_key(key_id=obj.pk, now=now, overlap=overlap)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_keys()
