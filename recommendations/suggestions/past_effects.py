"""The effects of earlier campaigns with a holdout group, from which that of the next one is predicted."""

from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from config.foundation.slow_figures import get_figures_soon
from config.foundation.statistics import ConfidenceInterval
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.results.summary import CampaignResults, compute_results
from recommendations.measurement.comparison import ComparisonVerdict
from recommendations.suggestions.pooling import predict_effect

MAX_CAMPAIGNS = 20
Z = 1.959964  # of a 95% interval
UNUSABLE = (ComparisonVerdict.NO_RUNS, ComparisonVerdict.NO_HOLDOUT, ComparisonVerdict.UNEVEN_GROUPS)


@dataclass(frozen=True)
class PastEffect:
    """The effect of a finished campaign on the conversion rate."""

    template_key: str
    effect: float
    standard_error: float


@dataclass(frozen=True)
class ExpectedEffect:
    """The expected effect of the next campaign with a message, from ``campaigns`` earlier ones."""

    campaigns: int
    conversion: ConfidenceInterval


def load_past_effects(*, as_of: datetime) -> list[PastEffect] | None:
    """Return the effects of the newest finished campaigns; None while they are counted in the background."""
    return get_figures_soon("suggestions.past-effects", list[PastEffect], lambda: count_past_effects(as_of=as_of))


def count_past_effects(*, as_of: datetime) -> list[PastEffect]:
    campaigns = (
        Campaign.objects.filter(status=Campaign.Status.ENDED, holdout_share__gt=0, goal=Campaign.Goal.ORDER)
        .exclude(template=None)
        .select_related("template", "segment")
        .order_by("-created_at")[:MAX_CAMPAIGNS]
    )
    found = []
    for campaign in campaigns:
        effect = read_effect(compute_results(campaign, as_of=as_of))
        if effect is not None and campaign.template is not None:
            error = (effect.high - effect.low) / (2 * Z)
            if isfinite(error) and error > 0:
                found.append(PastEffect(campaign.template.key, effect.value, error))
    return found


def read_effect(results: CampaignResults) -> ConfidenceInterval | None:
    """Return the effect of a campaign; None unless its result is final and can be interpreted."""
    comparison = results.comparison
    if comparison.verdict in UNUSABLE or comparison.conversion is None or not comparison.is_final:
        return None
    return comparison.conversion.effect


def expect_effect(template_key: str, past: list[PastEffect]) -> ExpectedEffect | None:
    """Return the expected effect of a campaign with a message; None if no earlier one with a holdout group used it."""
    same = [effect for effect in past if effect.template_key == template_key]
    if not same:
        return None
    others = sorted({effect.template_key for effect in past} - {template_key})
    conversion = predict_effect(*list_effects(past, template_key), others=[list_effects(past, key) for key in others])
    return ExpectedEffect(len(same), conversion)


def list_effects(past: list[PastEffect], template_key: str) -> tuple[list[float], list[float]]:
    """Return effects and standard errors of the campaigns with a message."""
    same = [effect for effect in past if effect.template_key == template_key]
    return [effect.effect for effect in same], [effect.standard_error for effect in same]
