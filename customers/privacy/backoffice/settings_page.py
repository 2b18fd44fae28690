"""How requests are answered: deadlines, grace period, files and the secret of Shopify."""

from typing import ClassVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from customers.privacy.backoffice.permissions import CHANGE_SETTINGS
from customers.privacy.models import PrivacySettings, load_privacy_settings

MAX_DAYS = 30


class PrivacySettingsForm(forms.ModelForm):
    shopify_secret = forms.CharField(
        label=gettext_lazy("Shopify secret"),
        required=False,
        max_length=500,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
        help_text=gettext_lazy(
            "The app's client secret, which Shopify uses to sign its webhooks. Leave it empty to keep the stored secret."
        ),
    )

    class Meta:
        model = PrivacySettings
        fields: ClassVar[list[str]] = [
            "regulation",
            "erases_automatically",
            "erasure_grace_days",
            "export_days",
            "export_downloads",
            "shopify_secret",
        ]

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        for name in ("erasure_grace_days", "export_days", "export_downloads"):
            field = self.fields[name]
            assert isinstance(field, forms.IntegerField)
            low = 0 if name == "erasure_grace_days" else 1
            self.fields[name] = forms.IntegerField(
                label=field.label, help_text=field.help_text, min_value=low, max_value=MAX_DAYS
            )

    def clean_shopify_secret(self) -> str:
        return self.cleaned_data["shopify_secret"] or load_privacy_settings().shopify_secret


def show_settings(request: HttpRequest) -> HttpResponse:
    """Show the settings; on POST, save them."""
    check_permissions(request, CHANGE_SETTINGS)
    stored = load_privacy_settings()
    form = PrivacySettingsForm(request.POST or None, instance=stored)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("The settings were saved."))
        return HttpResponseRedirect(reverse("privacy_requests:settings"))
    return render_page(
        request,
        "admin/privacy/settings.html",
        title=_("Privacy request settings"),
        form=form,
        has_secret=bool(load_privacy_settings().shopify_secret),
        webhook_path=reverse("privacy:shopify"),
    )
