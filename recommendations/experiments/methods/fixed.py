"""Fixed shares: each person gets one variant, and the variants keep their sizes."""

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from recommendations.experiments.methods.method import ExperimentMethod
from recommendations.experiments.models import Experiment
from recommendations.experiments.planning import plan_by_outcomes
from recommendations.experiments.results import ExperimentResults, VariantComparer, measure_variants


def measure_fixed(experiment: Experiment, as_of: datetime) -> ExperimentResults:
    """Return the results of an experiment with fixed shares."""
    return measure_variants(experiment, as_of=as_of, comparer=VariantComparer)


FIXED = ExperimentMethod(
    key=Experiment.Method.FIXED,
    help_text=_("Fixed shares (A/B test) measure the most, including orders and revenue."),
    measure=measure_fixed,
    plan=plan_by_outcomes,
)
