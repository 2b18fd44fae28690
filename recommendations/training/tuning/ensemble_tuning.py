"""Tuning of the weights and the normalization of the ensemble."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recommendations.engine import Algorithm, Interactions
from recommendations.engine.algorithms.ensembles.weighted_ensemble import NORMALIZATIONS
from recommendations.engine.data.event_weights import EventWeights
from recommendations.engine.evaluation import ConfidenceInterval, Split
from recommendations.engine.tuning.ensemble_weights import ChosenWeights, HasTime, always_has_time, choose_weights
from recommendations.training.figures import round_figure
from recommendations.training.tuning.model_choice import SEED, TOP_N, WEIGHTING_USERS, fit_component
from recommendations.training.tuning.tuning_session import TUNING_USERS, WEIGHTS_TIME_SHARE, TuningSession

MIN_WEIGHT = 0.02  # a smaller weight costs latency without improving results
SECOND_NORMALIZATION_TIME_SHARE = 0.15


@dataclass(frozen=True)
class TunedEnsemble:
    """weights: of all components, 0 below MIN_WEIGHT; value: of the ensemble, component_values: of each component alone.

    dropped: component → NDCG lost without it, where that was not beyond chance.
    """

    weights: dict[str, float]
    normalization: str
    value: float
    component_values: dict[str, float]
    dropped: dict[str, ConfidenceInterval] = field(default_factory=dict)


def tune_ensemble(session: TuningSession, fitted: Mapping[str, Algorithm], past: Interactions) -> TunedEnsemble:
    """Tune the weights of components fitted on the past of the sample."""
    return _tune_normalizations(session, fitted, past, session.sample, TUNING_USERS)


def drop_unhelpful_components(
    session: TuningSession, fitted: Mapping[str, Algorithm], past: Interactions
) -> TunedEnsemble:
    """Tune the weights on more users of the sample, without components that do not help beyond chance."""
    return _tune_normalizations(session, fitted, past, session.sample, WEIGHTING_USERS, drop_unhelpful=True)


def tune_ensemble_on_all_users(
    session: TuningSession, components: Mapping[str, Mapping[str, Any]], event_weights: EventWeights
) -> TunedEnsemble:
    """Fit the components on all data before the validation part and tune their weights.

    Components that do not help beyond chance are dropped.
    """
    past = event_weights.of(session.split.validation.train)
    fitted = {}
    for name, component in components.items():
        session.report_progress("weights", 0.57)
        fitted[name] = fit_component(component, past, session.products)
    return _tune_normalizations(session, fitted, past, session.split.validation, WEIGHTING_USERS, drop_unhelpful=True)


def _tune_normalizations(
    session: TuningSession,
    fitted: Mapping[str, Algorithm],
    past: Interactions,
    split: Split,
    max_users: int,
    *,
    drop_unhelpful: bool = False,
) -> TunedEnsemble:
    """Return the weights under the better normalization.

    The second is skipped if it would take too long. A search that has used up its share of the time ends with the best weights so far.
    """
    results: dict[str, ChosenWeights] = {}
    started_at = session.budget.get_elapsed()
    for normalization in NORMALIZATIONS:
        elapsed = session.budget.get_elapsed() - started_at
        if results and elapsed > SECOND_NORMALIZATION_TIME_SHARE * session.get_remaining_seconds():
            break
        session.report_progress("weights", 0.55)
        results[normalization] = choose_ensemble_weights(
            session,
            fitted,
            past,
            split,
            max_users,
            normalization,
            drop_unhelpful=drop_unhelpful,
            has_time=session.budget.limit(WEIGHTS_TIME_SHARE),
        )
    best = max(results, key=lambda name: results[name].value)
    _record_ensembles(session, results, best)
    weights = {name: share if share >= MIN_WEIGHT else 0.0 for name, share in results[best].weights.items()}
    return TunedEnsemble(weights, best, results[best].value, results[best].single, results[best].dropped)


def _record_ensembles(session: TuningSession, results: Mapping[str, ChosenWeights], best: str) -> None:
    for row in session.trials:
        # An earlier tuning had more components than there was time for, or used a sample: only the result of the last one is in the model.
        row["chosen"] = row["chosen"] and row["algorithm"] != "blend"
    session.trials += [
        {
            "algorithm": "blend",
            "parameters": {"normalization": name, **result.weights},
            "value": round_figure(result.value),
            "seconds": None,
            "chosen": name == best,
        }
        for name, result in results.items()
    ]


def choose_ensemble_weights(
    session: TuningSession,
    fitted: Mapping[str, Algorithm],
    past: Interactions,
    split: Split,
    max_users: int,
    normalization: str,
    *,
    drop_unhelpful: bool = False,
    has_time: HasTime = always_has_time,
) -> ChosenWeights:
    """Return the weights with the best NDCG for ``max_users`` users of a validation split."""
    return choose_weights(
        components=fitted,
        train=past,
        validation=split.test,
        exclude_seen=session.split.exclude_seen,
        seen_kinds=session.split.seen_kinds,
        seed=SEED,
        n=TOP_N,
        normalization=normalization,
        max_users=max_users,
        drop_unhelpful=drop_unhelpful,
        has_time=has_time,
    )
