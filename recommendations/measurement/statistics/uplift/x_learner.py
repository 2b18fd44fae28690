"""X-learner: effects imputed with the other group's outcome model."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from config.foundation.array_types import Floats
from recommendations.measurement.statistics.uplift.cross_fitting import (
    FittedOutcomes,
    TrainingRows,
    add_first_estimates,
)
from recommendations.measurement.statistics.uplift.outcome_models import (
    ModelChoices,
    Predictor,
    choose_regressor,
    fit_regressor,
)


@dataclass(frozen=True, eq=False)
class XLearner:
    """e·τ₀(x) + (1 − e)·τ₁(x), for the share e of treated customers.

    τ₁ is fitted to y − μ₀(x) of treated customers, τ₀ to μ₁(x) − y of the others. It helps where one group is much smaller.
    Source: Künzel et al., PNAS 2019.
    """

    outcomes: FittedOutcomes
    treated_effect: Predictor
    control_effect: Predictor
    share: float

    def predict(self, matrix: Floats) -> Floats:
        features = self.outcomes.add_first_estimates(matrix)
        effect: Floats = self.share * self.control_effect.predict(features) + (
            1 - self.share
        ) * self.treated_effect.predict(features)
        return effect


def fit_x_learner(rows: TrainingRows, outcomes: FittedOutcomes, choices: ModelChoices) -> XLearner:
    features = add_first_estimates(rows, outcomes)
    imputed = np.where(rows.treated, rows.outcome - outcomes.control, outcomes.treated - rows.outcome)
    models = []
    for key, group in (("x_treated", rows.treated), ("x_control", ~rows.treated)):
        known, target = features[group], imputed[group]
        name = choices.get(key, partial(choose_regressor, known, target))
        models.append(fit_regressor(known, target, name))
    return XLearner(outcomes, models[0], models[1], float(rows.propensity.mean()))
