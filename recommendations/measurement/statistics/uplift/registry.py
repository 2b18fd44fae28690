"""The uplift learners by name."""

from collections.abc import Callable

from recommendations.measurement.statistics.uplift.cross_fitting import FittedOutcomes, TrainingRows
from recommendations.measurement.statistics.uplift.dr_learner import fit_dr_learner
from recommendations.measurement.statistics.uplift.outcome_models import ModelChoices, Predictor
from recommendations.measurement.statistics.uplift.t_learner import fit_t_learner
from recommendations.measurement.statistics.uplift.x_learner import fit_x_learner

LEARNERS: dict[str, Callable[[TrainingRows, FittedOutcomes, ModelChoices], Predictor]] = {
    "t_learner": fit_t_learner,
    "x_learner": fit_x_learner,
    "dr_learner": fit_dr_learner,
}
