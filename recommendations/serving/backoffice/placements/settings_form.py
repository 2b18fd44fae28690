"""The form of the settings of a placement."""

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.number_formats import format_exact_percent
from recommendations.engine.placements import FOR_YOU, PLACEMENTS
from recommendations.placement_labels import get_placement_label
from recommendations.serving.models import PlacementSettings
from recommendations.training.models import ModelVersion

NO_WEIGHTS = gettext_lazy(
    'Enter a JSON object of algorithms and weights, with straight quotes, such as {"item-knn": 0.6}.'
)


class PlacementSettingsForm(forms.ModelForm):
    class Meta:
        model = PlacementSettings
        exclude = ["placement"]  # noqa: DJ006 — every other field, including future ones
        help_texts = {
            "switch": gettext_lazy(
                "“Automatic” shows the placement if an evaluation has found it better than its fallback. Placements that were never "
                "evaluated stay off, except popular, new, recently viewed and similar products and “For you”. “On” shows it in any case."
            ),
            "weights": gettext_lazy(
                'Weight of each algorithm, such as {"item-knn": 0.6, "content": 0.4}. If empty, the trained weights are used. Weights set '
                "here are used even for algorithms that the training found unhelpful."
            ),
        }
        error_messages: ClassVar[dict[str, dict[str, Any]]] = {"weights": {"invalid": NO_WEIGHTS}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "exploration" in self.fields:  # not where a user may only read
            self.fields["exploration"].help_text = _(
                "Share of positions in “For you”. If empty, %(share)s applies."
            ) % {"share": format_exact_percent(Decimal(str(settings.RECOMMEND_EXPLORATION_SHARE)))}

    def clean_weights(self) -> dict[str, float]:
        """Check that every key is an algorithm of the active model and every weight a number."""
        weights = self.cleaned_data["weights"] or {}
        known = list_active_components()
        if not isinstance(weights, dict):
            raise forms.ValidationError(NO_WEIGHTS)
        for name, share in weights.items():
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1000:
                raise forms.ValidationError(
                    _("%(algorithm)s: %(weight)s is not a valid weight (0 to 1000).")
                    % {"algorithm": name, "weight": share}
                )
            if known and name not in known:
                raise forms.ValidationError(
                    _("Unknown algorithm %(algorithm)s; the active model has: %(valid)s.")
                    % {"algorithm": name, "valid": ", ".join(sorted(known))}
                )
        if weights and not any(weights.values()):
            raise forms.ValidationError(
                _("At least one weight must be above 0. Leave the field empty to use the trained weights.")
            )
        return weights

    def clean_fallback(self) -> str:
        fallback = self.cleaned_data["fallback"]
        if fallback and fallback == self.instance.placement:
            raise forms.ValidationError(_("A placement cannot be its own fallback. Choose another one."))
        if fallback and leads_back(fallback, self.instance.placement):
            labels = {
                "fallback": get_placement_label(fallback),
                "placement": get_placement_label(self.instance.placement),
            }
            text = _("The fallback of “%(fallback)s” leads back to “%(placement)s”. Choose another one.")
            raise forms.ValidationError(text % labels)
        return fallback


def leads_back(fallback: str, placement: str) -> bool:
    """Return whether the fallbacks of a fallback lead back to the placement; if both had no products, no third one would be tried."""
    chosen = dict(PlacementSettings.objects.exclude(fallback="").values_list("placement", "fallback"))
    tried: set[str] = set()
    following: str | None = fallback
    while following is not None and following not in tried:
        if following == placement:
            return True
        tried.add(following)
        following = chosen.get(following) or PLACEMENTS[following].fallback
    return False


def list_active_components() -> set[str]:
    parameters = (
        ModelVersion.objects.filter(scenario=FOR_YOU, status=ModelVersion.Status.ACTIVE)
        .values_list("parameters", flat=True)
        .first()
    )
    return set((parameters or {}).get("components", {}))
