"""DR-learner: a regression on doubly robust effects."""

from dataclasses import dataclass

from config.foundation.array_types import Floats
from recommendations.measurement.statistics.uplift.cross_fitting import (
    FittedOutcomes,
    TrainingRows,
    add_first_estimates,
    compute_doubly_robust_effects,
)
from recommendations.measurement.statistics.uplift.outcome_models import (
    ModelChoices,
    Predictor,
    choose_regressor,
    fit_regressor,
)


@dataclass(frozen=True, eq=False)
class DRLearner:
    """A regression of the doubly robust effects on the features. Source: Kennedy, Electronic Journal of Statistics 2023."""

    outcomes: FittedOutcomes
    effect: Predictor

    def predict(self, matrix: Floats) -> Floats:
        return self.effect.predict(self.outcomes.add_first_estimates(matrix))


def fit_dr_learner(rows: TrainingRows, outcomes: FittedOutcomes, choices: ModelChoices) -> DRLearner:
    features = add_first_estimates(rows, outcomes)
    effects = compute_doubly_robust_effects(rows, treated=outcomes.treated, control=outcomes.control)
    name = choices.get("dr", lambda: choose_regressor(features, effects))
    return DRLearner(outcomes, fit_regressor(features, effects, name))
