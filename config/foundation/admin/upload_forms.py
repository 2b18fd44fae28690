"""The form of a file to import: the fields that every import has."""

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from config.foundation.currencies import get_known_currencies
from config.foundation.shop.profile import get_shop


class UploadForm(forms.Form):
    """A file with its encoding and the currency of its amounts.

    Attributes:
        file_help_text: the accepted formats.
        currency_help_text: which amounts have this currency.
        field_order: the fields of the subclass in the order of the page; Django would show the fields of this class first.
    """

    file_help_text: str | Promise = ""
    currency_help_text: str | Promise = ""

    file = forms.FileField(label=_("file"), widget=UnfoldAdminFileFieldWidget)
    currency = forms.CharField(
        label=_("currency"),
        max_length=3,
        initial=lambda: get_shop().currency,
        widget=UnfoldAdminTextInputWidget,
    )
    encoding = forms.ChoiceField(
        label=_("encoding"),
        required=False,
        choices=[
            ("", _("Detect automatically")),
            ("utf-8", "UTF-8"),
            ("utf-16", "UTF-16"),
            ("gb18030", "GB18030 / GBK"),
            ("windows-1252", "Windows-1252"),
        ],
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["file"].help_text = str(self.file_help_text)
        self.fields["currency"].help_text = str(self.currency_help_text)

    def clean_currency(self) -> str:
        code = self.cleaned_data["currency"].upper()
        if code not in get_known_currencies():
            raise forms.ValidationError(_("Use a three-letter ISO 4217 code such as EUR."))
        return code
