"""T-learner: the difference of two outcome models."""

from dataclasses import dataclass

from config.foundation.array_types import Floats
from recommendations.measurement.statistics.uplift.cross_fitting import FittedOutcomes, TrainingRows
from recommendations.measurement.statistics.uplift.outcome_models import ModelChoices


@dataclass(frozen=True, eq=False)
class TLearner:
    """μ₁(x) − μ₀(x), from models of treated and of control customers. Source: Künzel et al., PNAS 2019."""

    outcomes: FittedOutcomes

    def predict(self, matrix: Floats) -> Floats:
        return self.outcomes.treated_model.predict(matrix) - self.outcomes.control_model.predict(matrix)


def fit_t_learner(_rows: TrainingRows, outcomes: FittedOutcomes, _choices: ModelChoices) -> TLearner:
    return TLearner(outcomes)
