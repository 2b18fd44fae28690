"""The form of a rule."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from catalog.categories import clean_path
from catalog.field_cleaning import WrongValueError
from recommendations.merchandising.choices import WRITTEN_FIELDS, Action, Place, Weekday
from recommendations.merchandising.models import Rule


class LinesField(forms.CharField):
    """A list of texts, one a line; each once, in their order."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return list(dict.fromkeys(line.strip() for line in str(value or "").splitlines() if line.strip()))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != self.to_python(data)


class RuleForm(forms.ModelForm):
    scenarios = forms.MultipleChoiceField(
        label=gettext_lazy("Where"),
        choices=Place,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("None chosen: everywhere."),
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Weekdays"),
        choices=Weekday,
        coerce=int,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("None chosen: every day. Days begin at midnight in the shop's time zone."),
    )
    product_ids = LinesField(
        label=gettext_lazy("Product ids"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text=gettext_lazy("One a line, in their order."),
    )

    class Meta:
        model = Rule
        fields = WRITTEN_FIELDS

    def clean_product_ids(self) -> list[str]:
        ids: list[str] = self.cleaned_data["product_ids"]
        if long := [product_id for product_id in ids if len(product_id) > 200]:
            raise forms.ValidationError(
                _("%(id)s … has %(length)d characters; at most 200 fit. Give one id a line.")
                % {"id": long[0][:40], "length": len(long[0])}
            )
        return ids

    def clean_category(self) -> str:
        try:
            return clean_path(self.cleaned_data["category"])
        except WrongValueError as error:
            raise forms.ValidationError(error.message) from error

    def clean(self) -> dict[str, Any]:
        """What another action left in a field that is not shown any more is dropped."""
        cleaned = super().clean() or {}
        if cleaned.get("action") not in (None, Action.PIN):
            cleaned["position"] = None
            self.errors.pop("position", None)
        if cleaned.get("action") not in (None, Action.BOOST, Action.BURY):
            cleaned["factor"] = None
            self.errors.pop("factor", None)
        return cleaned
