"""The form of the shop settings."""

from typing import Any

from babel import Locale
from babel.numbers import get_currency_name
from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from config.backoffice.settings.time_zone import list_time_zones, save_time_zone
from config.foundation.currencies import get_current_currencies
from config.foundation.number_formats import format_count, get_reader_locale
from config.foundation.shop.models import ShopSettings
from config.foundation.shop.phone_numbers import CALLING_CODES
from config.foundation.shop.profile import get_shop

MAX_LOGO_BYTES = 200_000
LOGO_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


class ShopForm(forms.ModelForm):
    """Name, currency, language, brand and e-mail sender of the shop."""

    currency = forms.ChoiceField(
        label=gettext_lazy("currency"),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy(
            "Used for prices and orders that come without a currency, and for all revenue figures. Stored amounts are not "
            "converted; orders in other currencies are excluded from revenue, and pages that would include them say so."
        ),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("language of the shop"),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy(
            "Used in emails to customers and in invitations. Users choose the language of their own pages."
        ),
    )
    time_zone = forms.CharField(
        label=gettext_lazy("time zone"),
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "time-zones", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "Type a city or an offset to search. Days, charts, schedules and rules with weekdays use this time zone. After "
            "a change, daily figures are recounted, so they can differ from reports that you have saved, and campaigns that are "
            "sent once start at the same moment, which is then another time of day."
        ),
    )
    confirm_time_zone = forms.BooleanField(
        label=gettext_lazy("recount all daily figures in the new time zone"),
        required=False,
        widget=UnfoldBooleanWidget,
    )
    country = forms.ChoiceField(
        label=gettext_lazy("country of phone numbers"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy(
            "Phone numbers without a country code are treated as numbers of this country: for China, 13800138000 and +86 "
            "138-0013-8000 are the same number. After a change, stored numbers are compared in the new format; this does "
            "not merge any customers. Privacy requests of customers without a country follow the public holidays of this country and, "
            "until the request settings are saved, its law."
        ),
    )
    color = forms.RegexField(
        r"^#[0-9a-fA-F]{6}$",
        label=gettext_lazy("brand color"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "#117d5c"}),
        error_messages={"invalid": gettext_lazy("Enter a color as # and six digits, such as #117d5c.")},
        help_text=gettext_lazy(
            "Used for links and buttons. Tints are adjusted so that text stays readable. Leave empty for green."
        ),
    )
    logo_file = forms.FileField(
        label=gettext_lazy("logo"),
        required=False,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".png,.jpg,.jpeg,.webp"}),
        help_text=gettext_lazy("Square, PNG, JPEG or WebP, up to 200 kB. Shown in the menu and on the login page."),
    )
    remove_logo = forms.BooleanField(label=gettext_lazy("remove the logo"), required=False, widget=UnfoldBooleanWidget)

    class Meta:
        model = ShopSettings
        fields = [
            *("name", "currency", "language", "time_zone", "confirm_time_zone", "country", "color"),
            *("logo_file", "remove_logo", "sender_name", "sender_address", "reply_to", "postal_address"),
        ]
        widgets = {
            "name": UnfoldAdminTextInputWidget,
            "sender_name": UnfoldAdminTextInputWidget,
            "sender_address": UnfoldAdminEmailInputWidget,
            "reply_to": UnfoldAdminEmailInputWidget,
            "postal_address": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        }
        help_texts = {
            "name": gettext_lazy("Shown in the menu, on the login page and in emails."),
            "sender_name": gettext_lazy("The name that emails come from. Leave empty to use the shop name."),
            "sender_address": gettext_lazy("Your mail server must be allowed to send for this address."),
            "reply_to": gettext_lazy("Where replies go. Leave empty to use the sender address."),
            "postal_address": gettext_lazy("Shown below every email. Many countries require it in marketing emails."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shop = get_shop()
        self.set_choices("currency", list_currencies(shop.currency), shop.currency)
        self.set_choices("language", [(code, str(label)) for code, label in settings.LANGUAGES], shop.language)
        self.set_choices("country", list_countries(), self.instance.country)
        self.time_zone_before = shop.time_zone
        self.initial["time_zone"] = shop.time_zone
        for name in ("name", "sender_name", "sender_address"):
            self.fields[name].widget.attrs["placeholder"] = getattr(shop, name)
        if not self.instance.logo:
            del self.fields["remove_logo"]

    def set_choices(self, name: str, choices: list[tuple[str, str]], current: str) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices
        self.initial[name] = current

    @property
    def changes_country(self) -> bool:
        return "country" in self.changed_data

    @property
    def changes_time_zone(self) -> bool:
        return bool(self.cleaned_data.get("time_zone", self.time_zone_before) != self.time_zone_before)

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"]).strip()
        if name not in list_time_zones():
            raise forms.ValidationError(
                _("“%(name)s” is not a known time zone. Choose one from the list, such as Europe/Berlin.")
                % {"name": name}
            )
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.changes_time_zone and not cleaned.get("confirm_time_zone"):
            self.add_error(
                "confirm_time_zone",
                _(
                    "Select this checkbox to change the time zone. Orders and clicks around midnight will then belong to another "
                    "day, and all daily figures will be recounted."
                ),
            )
        return cleaned

    def clean_color(self) -> str:
        return str(self.cleaned_data["color"]).lower()

    def clean_logo_file(self) -> UploadedFile | None:
        file: UploadedFile | None = self.cleaned_data["logo_file"]
        if file is None:
            return None
        if file.size is None or file.size > MAX_LOGO_BYTES:
            raise forms.ValidationError(
                _("The file is %(size)s kB. Upload a file of at most %(max)s kB.")
                % {"size": format_count((file.size or 0) // 1000), "max": format_count(MAX_LOGO_BYTES // 1000)}
            )
        if not find_image_type(file.read(16)):
            raise forms.ValidationError(_("The file is not a PNG, JPEG or WebP image. Choose another file."))
        file.seek(0)
        return file

    def save(self, commit: bool = True) -> ShopSettings:
        file: UploadedFile | None = self.cleaned_data.get("logo_file")
        if file is not None:
            self.instance.logo = file.read()
            self.instance.logo_type = find_image_type(self.instance.logo)
        elif self.cleaned_data.get("remove_logo"):
            self.instance.logo, self.instance.logo_type = b"", ""
        if not self.changes_time_zone:
            shop: ShopSettings = super().save(commit)
            return shop
        shop = super().save(commit=False)
        save_time_zone(shop, before=self.time_zone_before, at=now())
        return shop


def find_image_type(content: bytes) -> str:
    """Return the content type by the first bytes; "" for anything that is not a PNG, JPEG or WebP image."""
    for signature, content_type in LOGO_SIGNATURES.items():
        if content.startswith(signature) and (content_type != "image/webp" or content[8:12] == b"WEBP"):
            return content_type
    return ""


def list_countries() -> list[tuple[str, str]]:
    """Return the countries whose phone numbers are known, with their names in the reader's language."""
    names = Locale.parse(get_reader_locale()).territories
    countries = sorted(((code, str(names.get(code, code))) for code in CALLING_CODES), key=lambda item: item[1])
    return [("", _("None: only numbers with a country code are compared")), *countries]


def list_currencies(current: str) -> list[tuple[str, str]]:
    """Return the currencies in use, and the current one, by code with their names in the reader's language."""
    locale = get_reader_locale()
    codes = sorted(get_current_currencies() | {current})
    return [(code, f"{code} – {get_currency_name(code, locale=locale)}") for code in codes]
