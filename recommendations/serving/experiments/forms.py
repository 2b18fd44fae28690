"""The settings that a variant may change, as forms."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommendations.serving.backoffice.placements.settings_form import PlacementSettingsForm
from recommendations.serving.experiments.names import RULES
from recommendations.serving.models import PlacementSettings

MAX_EXPONENT = 3.0


class VariantForm(forms.Form):
    """A variant without settings."""


class PlacementVariantForm(PlacementSettingsForm):
    """The settings of a placement, and whether merchandising rules apply."""

    rules = forms.BooleanField(
        label=gettext_lazy("Merchandising rules"),
        required=False,
        initial=True,
        help_text=gettext_lazy("If off, no merchandising rule applies to visitors of this variant."),
    )

    class Meta(PlacementSettingsForm.Meta):
        model = PlacementSettings
        exclude = ["placement"]

    def _post_clean(self) -> None:
        """Check the values without writing them into the instance, whose current settings show what a variant changes."""
        for field in PlacementSettings._meta.concrete_fields:
            if field.name in self.cleaned_data:
                try:
                    field.run_validators(self.cleaned_data[field.name])
                except forms.ValidationError as error:
                    self.add_error(field.name, error)


class SearchOrderVariantForm(VariantForm):
    """The exponents of popularity and personal taste."""

    popularity = forms.FloatField(
        label=gettext_lazy("Popularity"),
        min_value=0,
        max_value=MAX_EXPONENT,
        help_text=gettext_lazy("How much popularity counts, 0 to 3; 1 is the default."),
    )
    personal = forms.FloatField(
        label=gettext_lazy("Personal taste"),
        min_value=0,
        max_value=MAX_EXPONENT,
        help_text=gettext_lazy("How much personal taste counts, 0 to 3; 1 is the default."),
    )


def describe_values(fields: Mapping[str, forms.Field], config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return label and value of each setting of a variant."""
    return [
        (str(fields[name].label), describe_value(fields[name], value))
        for name, value in config.items()
        if name in fields
    ]


def describe_value(field: forms.Field, value: Any) -> str:
    """Return a value in a readable form."""
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if isinstance(value, dict):
        return ", ".join(f"{name} {number_format(weight)}" for name, weight in value.items()) or _("trained weights")
    if isinstance(field, forms.TypedChoiceField | forms.ChoiceField):
        choices: Any = field.choices
        return str(dict(choices).get(value, value)) if value else "–"
    if isinstance(value, int | float):
        return number_format(value)
    return "–" if value is None or value == "" else str(value)


assert RULES in PlacementVariantForm.base_fields
