"""What a method of comparing variants must provide."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise

from recommendations.experiments.models import Experiment
from recommendations.experiments.planning import ExperimentPower
from recommendations.experiments.results import ExperimentResults


@dataclass(frozen=True)
class ExperimentSetup:
    """What a new experiment varies and measures. variants: their number with the control."""

    kind: str
    subject: str
    metric: str
    variants: int


def find_no_problem(_setup: ExperimentSetup) -> dict[str, str | Promise]:
    """Return nothing: the method fits every experiment."""
    return {}


@dataclass(frozen=True)
class ExperimentMethod:
    """One way to compare variants.

    Attributes:
        help_text: one sentence for the form of a new experiment.
        measure: the results as of a moment. plan: what a draft with these shares can show, as of a moment.
        find_problems: by field of the form, what the method cannot do, with the fix.
        start: what the method needs when an experiment starts. has_shares: whether each person is assigned to one variant.
    """

    key: Experiment.Method
    help_text: str | Promise
    measure: Callable[[Experiment, datetime], ExperimentResults]
    plan: Callable[[Experiment, Sequence[float], datetime], ExperimentPower]
    find_problems: Callable[[ExperimentSetup], Mapping[str, str | Promise]] = find_no_problem
    start: Callable[[Experiment, datetime], None] | None = None
    has_shares: bool = True
