"""Finds the variants of a request in memory."""

from collections.abc import Sequence
from typing import NamedTuple

from customers.events.recent.interactions import RecentActivity
from recommendations.experiments.assignment import RunningExperiment, VariantAssignment, assign_variant
from recommendations.experiments.models import Experiment
from recommendations.serving.experiments.names import HELD_OUT_SCENARIOS, HOLDOUT, PLACEMENT, SEARCH, SEARCH_ORDER
from recommendations.serving.impressions.served_entry import ServedVariant
from recommendations.serving.request import list_identifiers
from recommendations.serving.state.loader import ServingState

SUBJECT_OF_SEARCH = (SEARCH_ORDER, "")


class ChosenVariants(NamedTuple):
    """The variants of a request, and the state that serves it.

    is_held_out: the visitor gets nothing personalized. interleaved: the experiment that ranks with both of its variants.
    """

    state: ServingState
    assignments: tuple[VariantAssignment, ...] = ()
    is_held_out: bool = False
    interleaved: RunningExperiment | None = None


def choose_variants(
    state: ServingState, *, scenario: str, user_id: str, anonymous_id: str, activity: RecentActivity
) -> ChosenVariants:
    """Return the variants of a visitor at a placement, search or ranking, the holdout first.

    A visitor without an identifier, or who refused personalization, is in no experiment. A held-out visitor is in no other experiment.
    """
    experiments = list_experiments(state, scenario)
    if not experiments:
        return ChosenVariants(state)
    own = [f"{kind}:{value}" for kind, value in list_identifiers(user_id, anonymous_id)]
    names = activity.names or own
    if not own or activity.is_denied or state.suppressions.contains_any([*own, *names]):
        return ChosenVariants(state)
    assignments: list[VariantAssignment] = []
    interleaved = None
    for experiment in experiments:
        if experiment.method == Experiment.Method.INTERLEAVING:
            interleaved = experiment
            continue
        assignment = assign_variant(experiment, user_id=user_id, anonymous_id=anonymous_id, names=names)
        if assignment is None:
            continue
        assignments.append(assignment)
        if experiment.kind == HOLDOUT and assignment.variant.is_control:
            varied = state.variants.by_variant.get(assignment.variant.id, state)
            return ChosenVariants(varied, tuple(assignments), is_held_out=True)
        state = state.variants.by_variant.get(assignment.variant.id, state)
    return ChosenVariants(state, tuple(assignments), interleaved=interleaved)


def list_experiments(state: ServingState, scenario: str) -> list[RunningExperiment]:
    """Return the running experiments that decide about a placement, search or ranking, the holdout first."""
    running = state.variants.running.by_subject
    keys = [(HOLDOUT, "")] if scenario in HELD_OUT_SCENARIOS else []
    keys.append(SUBJECT_OF_SEARCH if scenario == SEARCH else (PLACEMENT, scenario))
    return [running[key] for key in keys if key in running]


def list_served_variants(assignments: Sequence[VariantAssignment]) -> list[ServedVariant] | None:
    """Return the variants as an impression stores them; None without any."""
    return [
        ServedVariant(assigned.experiment.id, assigned.variant.id, assigned.unit_kind, assigned.propensity)
        for assigned in assignments
    ] or None


def name_arms(assignments: Sequence[VariantAssignment], interleaved: RunningExperiment | None = None) -> str | None:
    """Return the variants as the arm of an impression; None without any."""
    arms = [assigned.arm for assigned in assignments]
    return ",".join(arms if interleaved is None else [*arms, interleaved.interleaved_arm]) or None
