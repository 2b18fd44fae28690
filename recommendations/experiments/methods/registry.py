"""The methods of comparing variants. A new one needs a file in this folder, an entry here and a value of `Experiment.Method`."""

from collections.abc import Sequence
from datetime import datetime

from recommendations.experiments.methods.bandit import BANDIT
from recommendations.experiments.methods.fixed import FIXED
from recommendations.experiments.methods.interleaving import INTERLEAVING
from recommendations.experiments.methods.method import ExperimentMethod
from recommendations.experiments.models import Experiment
from recommendations.experiments.planning import ExperimentPower
from recommendations.experiments.results import ExperimentResults

METHODS: dict[str, ExperimentMethod] = {method.key: method for method in (FIXED, BANDIT, INTERLEAVING)}


def find_method(experiment: Experiment) -> ExperimentMethod:
    """Return the method of an experiment."""
    return METHODS[experiment.method]


def measure_experiment(experiment: Experiment, *, as_of: datetime) -> ExperimentResults:
    """Return what the variants of an experiment did until a moment."""
    return find_method(experiment).measure(experiment, as_of)


def plan_experiment(experiment: Experiment, *, shares: Sequence[float], at: datetime) -> ExperimentPower:
    """Return what a draft can show with the traffic of the last weeks."""
    return find_method(experiment).plan(experiment, shares, at)
