"""The form of an account, built from the fields of its provider, and the form of a test message."""

import secrets as random
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from config.foundation.shop.phone_numbers import is_phone_number
from recommendations.sending.channels.account_fields import ACCOUNT_FIELDS, FieldError
from recommendations.sending.channels.accounts import Account, save_account
from recommendations.sending.channels.providers import Provider
from recommendations.sending.channels.web_push import encode_base64

MAX_LENGTH = 500
API_ADDRESS = "base_url"
NEW_SECRETS = {"private_key": lambda: encode_base64(random.token_bytes(32)), "secret": lambda: random.token_urlsafe(32)}


class AccountForm(forms.Form):
    """Options are shown; secrets are entered and never shown again: an empty field keeps the stored secret."""

    def __init__(self, *args: Any, channel: str, provider: Provider, account: Account | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._channel, self._provider = channel, provider
        self._stored = account if account is not None and account.provider == provider.key else None
        for name in provider.options:
            self.fields[name] = self._build_field(name, UnfoldAdminTextInputWidget())
            self.initial[name] = self._stored.options.get(name, "") if self._stored else ""
        for name in provider.secrets:
            field = self._build_field(name, UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}))
            if self._has_secret(name):
                field.required = False
                field.help_text = gettext_lazy("Stored, and not shown. Enter a new one to replace it.")
            self.fields[name] = field

    def _has_secret(self, name: str) -> bool:
        return self._stored is not None and bool(self._stored.secrets.get(name))

    def _build_field(self, name: str, widget: forms.Widget) -> forms.Field:
        described = ACCOUNT_FIELDS[name]
        if described.choices:
            return forms.ChoiceField(
                label=str(described.label),
                help_text=str(described.help),
                required=described.is_required,
                choices=[(value, str(label)) for value, label in described.choices],
                widget=UnfoldAdminSelectWidget(),
            )
        return forms.CharField(
            label=str(described.label),
            help_text=str(described.help),
            required=described.is_required,
            max_length=MAX_LENGTH,
            widget=widget,
        )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for name, value in list(values.items()):
            try:
                if value:
                    ACCOUNT_FIELDS[name].check(value)
            except FieldError as error:
                self.add_error(name, str(error))
        self._check_secrets(values)
        return values

    def _check_secrets(self, values: dict[str, Any]) -> None:
        """Require stored secrets again for another server, so that whoever can edit the address cannot send them to their own."""
        stored = self._stored.options.get(API_ADDRESS) if self._stored else ""
        if API_ADDRESS not in self._provider.options or (values.get(API_ADDRESS) or "") == (stored or ""):
            return
        for name in self._provider.secrets:
            if self._has_secret(name) and not values.get(name):
                self.add_error(name, _("Enter it again, because the address of the server has changed."))

    def save(self) -> dict[str, str]:
        """Store the account; return the secrets that were made for it, to be shown once."""
        secrets = {name: self.cleaned_data[name] for name in self._provider.secrets}
        made = {
            name: NEW_SECRETS[name]()
            for name, value in secrets.items()
            if not value and name in NEW_SECRETS and not self._has_secret(name)
        }
        save_account(
            self._channel,
            provider=self._provider.key,
            options={name: self.cleaned_data[name] for name in self._provider.options},
            secrets=secrets | made,
        )
        return made


class TestMessageForm(forms.Form):
    """Where a test message goes. Webhooks have one address, that of the account."""

    __test__ = False  # not a test, although its name begins with Test

    recipient = forms.CharField(max_length=255, widget=UnfoldAdminTextInputWidget())

    LABELS = {
        "phone": gettext_lazy("Phone number"),
        "wecom": gettext_lazy("External user ID of the contact"),
        "push": gettext_lazy("User ID of a customer with a subscribed browser"),
    }

    def __init__(self, *args: Any, address: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if address:
            self.fields["recipient"].label = self.LABELS[address]
        else:
            del self.fields["recipient"]

    def clean_recipient(self) -> str:
        value: str = self.cleaned_data["recipient"].strip()
        if self.fields["recipient"].label == self.LABELS["phone"] and not is_phone_number(value):
            raise forms.ValidationError(_("This is not a phone number. Enter it like +8613800138000."))
        return value
