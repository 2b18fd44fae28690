"""The back-office form of a rule."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from catalog.categories import clean_path
from catalog.field_cleaning import InvalidValueError
from catalog.product_picker.fields import ProductIdsField
from config.foundation.backoffice.shared_editing import SharedEditingForm
from recommendations.merchandising.choices import EDITABLE_FIELDS, MAX_PRODUCT_ID_LENGTH, RulePlacement, Weekday
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.validation import ACTION_FIELDS


class RuleForm(SharedEditingForm):
    scenarios = forms.MultipleChoiceField(
        label=gettext_lazy("Placements"),
        choices=RulePlacement,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("Leave empty for all placements."),
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Weekdays"),
        choices=Weekday,
        coerce=int,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("Leave empty for every day. Days start at midnight in the shop's time zone."),
    )
    product_ids = ProductIdsField(
        label=gettext_lazy("Products"),
        required=False,
        help_text=gettext_lazy("In the order of their positions. You can paste product IDs."),
    )

    class Meta:
        model = Rule
        fields = EDITABLE_FIELDS

    def clean_product_ids(self) -> list[str]:
        """Check the length of every id."""
        ids: list[str] = self.cleaned_data["product_ids"]
        if long := [product_id for product_id in ids if len(product_id) > MAX_PRODUCT_ID_LENGTH]:
            raise forms.ValidationError(
                _("The product ID %(id)s … has %(length)d characters; the maximum is %(max)d. Enter one ID per line.")
                % {"id": long[0][:40], "length": len(long[0]), "max": MAX_PRODUCT_ID_LENGTH}
            )
        return ids

    def clean_category(self) -> str:
        """Normalize the category path."""
        try:
            return clean_path(self.cleaned_data["category"])
        except InvalidValueError as error:
            raise forms.ValidationError(error.message) from error

    def clean(self) -> dict[str, Any]:
        """Drop the values of fields that the action does not have; the page hides these fields."""
        cleaned = super().clean() or {}
        action = cleaned.get("action")
        for name, actions in ACTION_FIELDS.items():
            if action is not None and action not in actions:
                cleaned[name] = None
                self.errors.pop(name, None)
        return cleaned
