"""What an experiment can show before it starts: the smallest effect with the traffic of the last weeks, and the days that it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, isfinite, sqrt
from statistics import NormalDist

from recommendations.experiments.models import Experiment
from recommendations.experiments.results import COLUMNS, LEVEL
from recommendations.experiments.subjects import find_subject
from recommendations.measurement.outcomes.columns import COVARIATES, OutcomeColumn
from recommendations.measurement.outcomes.counting import count_outcomes
from recommendations.measurement.statistics.cuped import compare_adjusted_means
from recommendations.measurement.statistics.multiple_comparisons import compute_simultaneous_level
from recommendations.measurement.statistics.power import POWER
from recommendations.measurement.statistics.sequential import compute_critical_value

LOOKBACK = timedelta(days=28)
RELEVANT_LIFT = 0.1  # a shop usually wants to know about a change of 10%
MAX_DAYS = 180
MIN_UNITS = 10
GROUP = "all"


@dataclass(frozen=True)
class ExperimentPower:
    """What can be shown.

    Attributes:
        units: customers or visitors that the experiment would have reached in the last 28 days.
        mean: orders, revenue or margin per unit since the first time that it would have been reached.
        smallest: the smallest relative effect that would be shown with 80% power in the planned days; None without traffic or orders.
        days: the days that it takes to show RELEVANT_LIFT; None if more than MAX_DAYS.
        needed: for interleaving, the people with a preference that it takes. There, units are the people who clicked, mean is unknown,
            smallest is a share, and days are those until RELEVANT_PREFERENCE is shown.
    """

    units: int
    mean: float
    smallest: float | None = None
    days: int | None = None
    needed: int | None = None

    @property
    def is_enough(self) -> bool:
        return self.smallest is not None and self.smallest <= RELEVANT_LIFT


def plan_by_outcomes(experiment: Experiment, shares: Sequence[float], at: datetime) -> ExperimentPower:
    """Return the power of a draft, for the smallest of its variants against the control, as if it had started 28 days ago.

    (z + z₁₋β)·σ·√(1/n_B + 1/n_A) ÷ mean, with σ after the adjustment for earlier orders (CUPED) and z the critical value of the
    always-valid interval at the planned end. It shrinks with the square root of the days. An experiment on clicks is planned with orders,
    too; clicks are more frequent, so it can show smaller effects.
    """
    subject = find_subject(experiment.kind)
    if subject is None:
        return ExperimentPower(0, 0.0)
    members = subject.find_traffic(experiment.subject, experiment.unit, at - LOOKBACK, at)
    group = count_outcomes(members, as_of=at).get_group(GROUP).moments
    column = COLUMNS.get(experiment.metric, OutcomeColumn.ORDERS)
    mean, pair = (group.get_mean(column) if group.n else 0.0), [*shares[:1], min(shares[1:], default=0.0)]
    if group.n < MIN_UNITS or mean <= 0 or min(pair) <= 0:
        return ExperimentPower(group.n, mean)
    adjusted = compare_adjusted_means(group, group, outcome=column, covariates=COVARIATES)
    deviation = adjusted.standard_error * sqrt(group.n / 2)  # of two equal groups, the variance is 2σ²/n
    level = compute_simultaneous_level(LEVEL, max(1, len(shares) - 1))
    reach = compute_critical_value(1.0, level) + NormalDist().inv_cdf(POWER)
    in_lookback = reach * deviation / mean * sqrt(sum(1 / share for share in pair) / group.n)
    if not isfinite(in_lookback):
        return ExperimentPower(group.n, mean)
    days = ceil(LOOKBACK.days * (in_lookback / RELEVANT_LIFT) ** 2)
    smallest = in_lookback * sqrt(LOOKBACK.days / experiment.planned_days)
    return ExperimentPower(group.n, mean, smallest, days if days <= MAX_DAYS else None)
