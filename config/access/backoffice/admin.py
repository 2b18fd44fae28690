"""Back-office pages of API keys."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from config.access.grants import clear_key_cache
from config.access.keys import generate_key, rotate_api_key
from config.access.models import ApiKey
from config.access.privileges import describe_missing_scopes, find_missing_scopes
from config.access.scopes import KNOWN_SCOPES
from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.rest.origins import clean_origins
from customers.events.backoffice.key_pages import KeyPages


class ApiKeyForm(forms.ModelForm):
    grantor: Any = None  # the back-office user, set by ApiKeyAdmin.get_form

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
        fields = [
            "name",
            "kind",
            "is_test",
            "scopes",
            "requires_user_token",
            "allowed_origins",
            "requests_per_minute",
            "enabled",
            "expires_at",
        ]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        kind = self.cleaned_data.get("kind", self.instance.kind)
        if kind == ApiKey.Kind.PUBLISHABLE and self.cleaned_data.get("scopes"):
            self.add_error(
                "scopes", _("A publishable key cannot have scopes, because every visitor of the shop can read it.")
            )
        if kind == ApiKey.Kind.SECRET and self.cleaned_data.get("allowed_origins"):
            self.add_error(
                "allowed_origins",
                _(
                    "A secret key cannot have allowed origins, because it must never appear in a web page. Use a publishable key in web pages."
                ),
            )
        return cleaned

    def clean_allowed_origins(self) -> list[str]:
        return clean_origins(self.cleaned_data["allowed_origins"])

    def clean_scopes(self) -> list[str]:
        """Reject scopes that the user does not hold; scopes that the key already has may stay."""
        scopes: list[str] = self.cleaned_data["scopes"]
        if missing := find_missing_scopes(self.grantor, set(scopes) - set(self.instance.scopes)):
            raise forms.ValidationError(describe_missing_scopes(missing))
        return scopes


@admin.register(ApiKey)
class ApiKeyAdmin(KeyPages, ModelAdmin):
    form = ApiKeyForm
    list_display = ["name", "kind", "mode", "hint", "enabled", "expires_at", "previous_expires_at", "last_used_at"]
    list_filter = ["kind", "is_test", "enabled"]
    search_fields = ["name", "hint"]
    readonly_fields = ["hint", "previous_expires_at", "created_at", "last_used_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        # type and mode are part of the key's text
        return [*self.readonly_fields, "kind", "is_test"] if obj is not None else list(self.readonly_fields)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"grantor": request.user})

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow a key to be changed or renewed only by someone who holds all its scopes, because renewing it shows the new key."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or not find_missing_scopes(request.user, obj.scopes))

    def generate_key(self, obj: ApiKey, *, now: datetime) -> str:
        return generate_key(obj, now=now)

    def rotate_key(self, obj: ApiKey, *, now: datetime, overlap: timedelta) -> str:
        return rotate_api_key(key_id=obj.pk, now=now, overlap=overlap)

    @admin.display(description=_("mode"), ordering="is_test")
    def mode(self, obj: ApiKey) -> SafeString | str:
        return (
            format_html('<span class="home-badge">{}</span>', gettext("test mode"))
            if obj.is_test
            else gettext("live mode")
        )

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        clear_key_cache()
