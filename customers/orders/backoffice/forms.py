"""The form that uploads an order file."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.validators import validate_slug
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from config.foundation.admin.upload_forms import UploadForm
from config.foundation.shop.profile import get_time_zone_name
from customers.orders.imports.column_mapping import ColumnMappingError, parse_assignments
from customers.orders.imports.order_fields import FIELDS
from customers.orders.imports.presets.registry import DEFAULT_PRESET, PRESETS


class OrderUploadForm(UploadForm):
    """An order file to upload, with the options of its import."""

    file_help_text = _("CSV (also gzipped) or Parquet, with one row per order line.")
    currency_help_text = _("Currency of orders without one.")
    field_order = (
        "file", "source", "preset", "mapping", "currency", "timezone", "encoding", "products", "keep_zero_quantity",
    )  # fmt: skip

    source = forms.CharField(
        label=_("source"),
        max_length=100,
        initial="orders",
        validators=[validate_slug],
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Short name of the shop system. Order IDs are unique within it."),
    )
    preset = forms.ChoiceField(
        label=_("column names"),
        choices=[(preset.key, preset.label) for preset in PRESETS.values()],
        initial=DEFAULT_PRESET,
        help_text=_("The shop system that exported the file."),
        widget=UnfoldAdminSelectWidget,
    )
    mapping = forms.CharField(
        label=_("other columns"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text=_("One field=column per line, such as order_id=Invoice. Fields: %(fields)s.")
        % {"fields": ", ".join(FIELDS)},
    )
    timezone = forms.CharField(
        label=_("time zone"),
        max_length=50,
        initial=get_time_zone_name,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Time zone of times without an offset, such as Europe/Berlin."),
    )
    products = forms.ChoiceField(
        label=_("unknown products"),
        choices=[("create", _("create them")), ("reject", _("reject their rows"))],
        widget=UnfoldAdminSelectWidget,
    )
    keep_zero_quantity = forms.BooleanField(
        label=_("accept rows with quantity 0"), required=False, widget=UnfoldBooleanWidget
    )

    def clean_mapping(self) -> dict[str, str]:
        lines = [line.strip() for line in self.cleaned_data["mapping"].splitlines() if line.strip()]
        try:
            return parse_assignments(lines)
        except ColumnMappingError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_timezone(self) -> str:
        name = self.cleaned_data["timezone"]
        if name not in available_timezones():
            raise forms.ValidationError(_("Unknown time zone; use a name such as Europe/Berlin."))
        return name

    def build_options(self) -> dict[str, Any]:
        """Return the arguments of ``import_orders`` other than the file and its source."""
        names = ("preset", "mapping", "currency", "timezone", "products", "keep_zero_quantity")
        return {name: self.cleaned_data[name] for name in names} | {"encoding": self.cleaned_data["encoding"] or None}
