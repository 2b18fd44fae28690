"""Tuning of the event weights: how much a view, a cart add or a second unit counts compared with a purchase."""

from recommendations.engine import KINDS
from recommendations.engine.data.event_weights import (
    DEFAULT_EVENT_WEIGHTS,
    QUANTITY,
    EventWeights,
    build_weight_space,
    choose_event_weights,
)
from recommendations.training.tuning.ensemble_tuning import choose_ensemble_weights
from recommendations.training.tuning.model_choice import SEED, fit_components
from recommendations.training.tuning.tuning_session import EVENT_WEIGHTS_TIME_SHARE, TuningSession

# They cover popularity, habits and co-occurrence, and are fitted in a fraction of a second.
PROBE_ALGORITHMS = ("popularity", "repeat", "user-knn")
# values to try per event type; the half-life is a parameter of each algorithm
EVENT_WEIGHT_VALUES: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(KINDS, (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0)),
    QUANTITY: (0.0, 0.25, 0.5, 1.0),
}


def tune_event_weights(session: TuningSession) -> EventWeights:
    """Tune the event weights by the value of an ensemble of PROBE_ALGORITHMS.

    They are tuned before the parameters, because every algorithm is fitted on the weighted interactions: tuning both
    together would multiply the number of fits.
    """
    probes = {name: session.candidates[name] for name in PROBE_ALGORITHMS if name in session.candidates}
    if (
        not build_weight_space(session.sample.train, candidates=EVENT_WEIGHT_VALUES)
        or not probes
        or not len(session.evaluated_users)
    ):
        return DEFAULT_EVENT_WEIGHTS

    def evaluate(weights: EventWeights) -> float:
        session.report_progress("kinds", 0.0)
        past = weights.of(session.sample.train)
        if not len(past):
            return float("nan")
        components = {name: probe.describe(probe.start) for name, probe in probes.items()}
        fitted = fit_components(components, past, session.products)
        max_users = len(session.evaluated_users)
        return choose_ensemble_weights(session, fitted, past, session.sample, max_users, "max").value

    weights, result = choose_event_weights(
        train=session.sample.train,
        evaluate=evaluate,
        budget_s=session.budget.seconds * EVENT_WEIGHTS_TIME_SHARE,
        seed=SEED,
        start=DEFAULT_EVENT_WEIGHTS,
        candidates=EVENT_WEIGHT_VALUES,
        clock=session.budget.clock,
    )
    session.record_trials("kinds", result.trials, result.best)
    return weights
