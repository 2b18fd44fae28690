"""Model tuning: choose algorithms, parameters and weights on the validation part, within the time and memory budget."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from recommendations.engine import Algorithm, Products
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.training.budget import InsufficientMemoryError, TrainingBudget, estimate_data_mb
from recommendations.training.data.time_split import TimeSplit
from recommendations.training.evaluation.placement_evaluation import PLACEMENT_ALGORITHMS
from recommendations.training.tuning.ensemble_tuning import (
    drop_unhelpful_components,
    tune_ensemble,
    tune_ensemble_on_all_users,
)
from recommendations.training.tuning.event_weight_tuning import tune_event_weights
from recommendations.training.tuning.first_purchases_share import add_first_purchases
from recommendations.training.tuning.model_choice import (
    EVALUATION_USERS,
    WEIGHTING_USERS,
    ModelChoice,
    ReportStep,
)
from recommendations.training.tuning.parameter_tuning import tune_parameters
from recommendations.training.tuning.search_space import CANDIDATES, Candidate
from recommendations.training.tuning.tuning_session import EVALUATION_TIME_SHARE, FITS_AFTER_TUNING, TuningSession

CHEAP_TIME_SHARE = 0.03  # of the time budget: dropping an algorithm that takes less gains nothing
MIN_RELATIVE_VALUE = 0.1  # relative to the best value: algorithms below it have never improved an ensemble
REWEIGHTING_TIME_SHARE = 0.4  # of the remaining time, for weights tuned on all users instead of a sample
USED_BY_PLACEMENTS = {"popularity", *(name for names in PLACEMENT_ALGORITHMS.values() for name in names)}
FITTED_MEMORY_SHARE = 0.5  # share of the fitting memory that the fitted arrays keep


def tune_model(
    *,
    time_split: TimeSplit,
    products: Products,
    budget: TrainingBudget,
    step: ReportStep,
    candidates: Mapping[str, Candidate] = CANDIDATES,
) -> ModelChoice:
    """Tune algorithms, parameters and weights.

    Raises:
        EmptySplitError: no sampled user has a target interaction in the validation part.
        InsufficientMemoryError: the data do not fit the memory limit.
        Whatever ``step`` raises; it is called before every trial.
    """
    return _ModelTuner(TuningSession(time_split, products, budget, step, candidates)).run()


class _ModelTuner:
    """Runs the steps of a tuning; each step drops candidates, until the components of the model remain.

    components: name → algorithm and parameters of the remaining candidates; fitted: the same, fitted on the sample.
    values, seconds: of every tuned candidate, the value alone and the seconds to fit it and to score one user.
    """

    def __init__(self, session: TuningSession) -> None:
        self.session = session
        self.components: dict[str, dict[str, Any]] = {}
        self.fitted: dict[str, Algorithm] = {}
        self.values: dict[str, float] = {}
        self.seconds: dict[str, tuple[float, float]] = {}

    def run(self) -> ModelChoice:
        """Run all tuning steps."""
        session = self.session
        if not session.find_relevant(session.sample.train).nnz:
            raise EmptySplitError("no sampled customer has a target interaction in the validation part")
        event_weights = tune_event_weights(session)
        past = event_weights.of(session.sample.train)
        for name, candidate in self.select_affordable().items():
            if (tuned := tune_parameters(session, name, candidate, past)) is not None:
                self.components[name] = candidate.describe(tuned.parameters)
                self.fitted[name], self.values[name] = tuned.fitted, tuned.value
                self.seconds[name] = (tuned.fit_seconds, tuned.score_seconds)
        all_components = dict(self.components)
        all_fitted = {name: self.fitted[name] for name in USED_BY_PLACEMENTS if name in self.fitted}
        best = max(self.values.values(), default=0.0)
        self.drop_useless([name for name, value in self.values.items() if value < MIN_RELATIVE_VALUE * best])
        ensemble = tune_ensemble(session, self.fitted, past)
        self.drop_useless([name for name in self.components if not ensemble.weights[name]])
        affordable = self.select_fast_components(ensemble.weights)
        if len(affordable) < len(self.components):
            ensemble = tune_ensemble(session, {name: self.fitted[name] for name in affordable}, past)
        weighted = {name: component for name, component in affordable.items() if ensemble.weights[name]}
        if self.can_reweight(weighted):
            # So far, only the users of the sample decided the weights.
            ensemble = tune_ensemble_on_all_users(session, weighted, event_weights)
        elif len(weighted) > 1:
            ensemble = drop_unhelpful_components(session, {name: self.fitted[name] for name in affordable}, past)
        for name, lost in ensemble.dropped.items():
            session.exclude(name, "not_beyond_chance", lost=lost.value, low=lost.low, high=lost.high)
        kept = {name: self.fitted[name] for name in affordable}
        weights = add_first_purchases(session, kept, past, ensemble.weights)
        components = {
            name: component
            for name, component in affordable.items()
            if weights.get(name) or session.candidates[name].is_required
        }
        total = sum(weights.values())
        return ModelChoice(
            event_weights,
            components,
            {name: round(weights.get(name, 0.0) / total, 4) for name in components},
            ensemble.normalization,
            ensemble.value,
            ensemble.component_values,
            session.trials,
            session.excluded,
            unused={name: component for name, component in all_components.items() if name not in components},
            fit_seconds={name: session.scale * fit_s for name, (fit_s, _score_s) in self.seconds.items()},
            fitted=all_fitted,
        )

    def select_affordable(self) -> dict[str, Candidate]:
        """Return the candidates that fit into memory together with the data, if they are fitted one after the other.

        Raises:
            InsufficientMemoryError: the data alone exceed the limit.
        """
        session, limit_mb = self.session, self.session.budget.memory_mb
        data_mb = estimate_data_mb(session.size)
        if data_mb >= limit_mb:
            raise InsufficientMemoryError(memory_mb=limit_mb, needed_mb=data_mb, lines=session.size.interactions)
        affordable, used_mb = {}, data_mb
        for name, candidate in session.candidates.items():
            fitting_mb = candidate.estimate_mb(session.size, {**candidate.fixed, **candidate.start})
            if used_mb + fitting_mb <= limit_mb:
                affordable[name] = candidate
                used_mb += fitting_mb * FITTED_MEMORY_SHARE
            else:
                session.exclude(name, "no_memory", needed=used_mb + fitting_mb, bound=limit_mb)
        return affordable

    def drop_useless(self, names: Collection[str]) -> None:
        """Exclude components that do not improve the ensemble, except required ones."""
        for name in names:
            if not self.session.candidates[name].is_required:
                self.session.exclude(name, "no_help", value=self.values[name])
                del self.components[name], self.fitted[name]

    def select_fast_components(self, weights: Mapping[str, float]) -> dict[str, dict[str, Any]]:
        """Return the components that can be fitted and evaluated in time.

        Slow optional ones are dropped, the smallest weights first. Each is fitted twice more on all data, once for the
        test and once to serve, and scored alone and in the ensemble.
        """
        session, budget_s = self.session, self.session.budget.seconds
        fast = dict(self.components)
        remaining = max(session.get_remaining_seconds() - EVALUATION_TIME_SHARE * budget_s, 0.0)
        for name in sorted(self.components, key=lambda component: weights[component]):
            if self.estimate_seconds(fast, fits=FITS_AFTER_TUNING) <= remaining:
                break
            needed = self.estimate_seconds([name], fits=FITS_AFTER_TUNING)
            if not session.candidates[name].is_required and needed > CHEAP_TIME_SHARE * budget_s:
                session.exclude(name, "no_time", needed=needed, left=remaining)
                del fast[name]
        return fast

    def estimate_seconds(self, names: Collection[str], *, fits: int) -> float:
        """Return the seconds to fit components ``fits`` times, score test users and tune weights."""
        split = self.session.split
        # Test users are scored twice, alone and in the ensemble; a single fit is one for tuning weights only.
        test_users = min(len(np.unique(split.test.test.user)), EVALUATION_USERS) * (fits > 1)
        return sum(
            fits * self.session.scale * self.seconds[name][0]
            + self.seconds[name][1] * (WEIGHTING_USERS + 2 * test_users)
            for name in names
        )

    def can_reweight(self, names: Collection[str]) -> bool:
        """Return whether the search used a sample and there is time to tune weights on all users."""
        return (
            len(names) > 1
            and self.session.scale > 1
            and self.estimate_seconds(names, fits=1) < REWEIGHTING_TIME_SHARE * self.session.get_remaining_seconds()
        )
