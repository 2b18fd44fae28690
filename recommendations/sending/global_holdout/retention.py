"""The effect of marketing or recommendations on retention: the share of earlier customers who order again, versus the holdout group."""

from dataclasses import dataclass
from math import sqrt

from config.foundation.statistics import ConfidenceInterval, compare_shares
from recommendations.measurement.statistics.sequential import compute_always_valid_interval
from recommendations.measurement.timeline import Timeline
from recommendations.sending.global_holdout.measuring import StoredGroup

MIN_CUSTOMERS = 10  # at least this many earlier customers of each group must return, and as many must not


@dataclass(frozen=True)
class RetentionEffect:
    """Of the customers who had ordered before they joined their group, the share who order in the window.

    effect: the difference of the shares; 0.01 is one percentage point.
    """

    treated_customers: int
    holdout_customers: int
    treated: float
    holdout: float
    effect: ConfidenceInterval


def compare_retention(treated: StoredGroup, holdout: StoredGroup, timeline: Timeline) -> RetentionEffect | None:
    """Return the difference with Newcombe's interval, or an always-valid one while the window runs; None with too few customers."""
    counts = (treated.returned, treated.earlier_buyers, holdout.returned, holdout.earlier_buyers)
    hits, trials, other_hits, other_trials = (count or 0 for count in counts)
    if min(hits, trials - hits, other_hits, other_trials - other_hits) < MIN_CUSTOMERS:
        return None
    share, other = hits / trials, other_hits / other_trials
    effect = compare_shares(hits, trials, other_hits, other_trials)
    if not timeline.is_final:
        error = sqrt(share * (1 - share) / trials + other * (1 - other) / other_trials)
        effect = compute_always_valid_interval(
            value=share - other, standard_error=error, fraction=timeline.fraction, level=0.95
        )
    return RetentionEffect(trials, other_trials, share, other, effect)
