"""Model tuning: choose algorithms, parameters and weights on the validation part, within the time and memory budget."""

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommendations.engine import KINDS, Algorithm, Interactions, Products, recommend
from recommendations.engine.algorithms.base import NothingToLearnError
from recommendations.engine.algorithms.ensembles.weighted_ensemble import NORMALIZATIONS
from recommendations.engine.data.event_weights import (
    DEFAULT_EVENT_WEIGHTS,
    QUANTITY,
    EventWeights,
    build_weight_space,
    choose_event_weights,
)
from recommendations.engine.evaluation import Split
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.runner import find_relevant_items
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.engine.tuning.ensemble_weights import ChosenWeights, choose_weights
from recommendations.engine.tuning.parameter_search import EmptySearchError, search_parameters
from recommendations.training.budget import InsufficientMemoryError, TrainingBudget, estimate_data_mb
from recommendations.training.data.time_split import TimeSplit, sample_customers
from recommendations.training.tuning.model_choice import (
    EVALUATION_CUSTOMERS,
    SEED,
    TOP_N,
    WEIGHTING_CUSTOMERS,
    ExcludedAlgorithm,
    ModelChoice,
    ReportStep,
    fit_component,
    fit_components,
    mean_of_finite,
    measure_size,
    round_finite,
)
from recommendations.training.tuning.search_space import CANDIDATES, Candidate

TUNING_INTERACTIONS = 300_000
TUNING_CUSTOMERS = 300
# shares of the time budget: event weights and parameters; the rest is for fitting on all data
EVENT_WEIGHTS_TIME_SHARE, PARAMETERS_TIME_SHARE = 0.1, 0.35
EVALUATION_TIME_SHARE = 0.2
PLACEMENTS_TIME_SHARE = 0.2  # for tuning and evaluating the other placements
CHEAP_TIME_SHARE = 0.05  # of the time budget: dropping an algorithm that takes less gains nothing
PROBE_ALGORITHMS = ("popularity", "repeat", "user-knn")
# values to try per event type; the half-life is a parameter of each algorithm
EVENT_WEIGHT_VALUES: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(KINDS, (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0)),
    QUANTITY: (0.0, 0.25, 0.5, 1.0),
}
MIN_WEIGHT = 0.02  # a smaller weight costs latency without improving results
MIN_RELATIVE_VALUE = 0.1  # relative to the best value: algorithms below it have never improved an ensemble
SECOND_NORMALIZATION_TIME_SHARE = 0.15
REWEIGHTING_TIME_SHARE = 0.4  # of the remaining time, for weights tuned on all customers instead of a sample
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
        InsufficientMemoryError: the data do not fit the memory limit.
        Whatever ``step`` raises; it is called before every trial.
    """
    return _ModelTuner(time_split, products, budget, step, candidates).run()


@dataclass(frozen=True, eq=False)
class TunedAlgorithm:
    """The best trial of a candidate, fitted on the sample; seconds to fit it and to score one customer."""

    parameters: dict[str, Any]
    value: float
    fitted: Algorithm
    fit_seconds: float
    score_seconds: float


class _ModelTuner:
    """The state of one tuning."""

    def __init__(
        self,
        time_split: TimeSplit,
        products: Products,
        budget: TrainingBudget,
        step: ReportStep,
        candidates: Mapping[str, Candidate],
    ) -> None:
        self.split, self.products, self.budget, self.step = time_split, products, budget, step
        self.candidates = candidates
        self.sample, self.evaluated_customers = sample_customers(
            time_split.validation, lines=TUNING_INTERACTIONS, people=TUNING_CUSTOMERS, seed=SEED
        )
        self.size = measure_size(time_split.test.train)
        self.scale = len(time_split.validation.train) / max(len(self.sample.train), 1)
        self.trials: list[dict[str, Any]] = []
        self.excluded: list[ExcludedAlgorithm] = []
        self.started_at = budget.get_elapsed()

    def run(self) -> ModelChoice:
        """Run all tuning steps. Raises EmptySplitError, InsufficientMemoryError."""
        if not self.find_relevant(self.sample.train).nnz:
            raise EmptySplitError("no sampled customer has a target interaction in the validation part")
        weighing = self.tune_event_weights()
        past = weighing.of(self.sample.train)
        components, values, seconds, fitted = {}, {}, {}, {}
        for name, candidate in self.select_affordable().items():
            tuned = self.tune_algorithm(name, candidate, past)
            if tuned is not None:
                components[name], values[name] = candidate.describe(tuned.parameters), tuned.value
                seconds[name], fitted[name] = (tuned.fit_seconds, tuned.score_seconds), tuned.fitted
        tuned_all = dict(components)
        best = max(values.values(), default=0.0)
        for name in [
            one
            for one in components
            if values[one] < MIN_RELATIVE_VALUE * best and not self.candidates[one].is_required
        ]:
            self.exclude(name, "no_help", value=values[name])
            del components[name], fitted[name]
        chosen, normalization, weights = self.tune_weights(fitted, past)
        for name in [name for name in components if not weights[name] and not self.candidates[name].is_required]:
            self.exclude(name, "no_help", value=values[name])
            del components[name], fitted[name]
        affordable = self.drop_slow_components(components, weights, seconds)
        if len(affordable) < len(components):
            chosen, normalization, weights = self.tune_weights({name: fitted[name] for name in affordable}, past)
        used = {name: components[name] for name in affordable if weights[name]}
        if self.can_reweight(used, seconds):
            chosen, normalization, weights = self.tune_weights_on_all_customers(used, weighing)
        kept = {name: components[name] for name in affordable if weights.get(name) or self.candidates[name].is_required}
        total = sum(weights.values())
        shares = {name: round(weights.get(name, 0.0) / total, 4) for name in kept}
        return ModelChoice(
            weighing,
            kept,
            shares,
            normalization,
            chosen.value,
            chosen.single,
            self.trials,
            self.excluded,
            unused={name: described for name, described in tuned_all.items() if name not in kept},
            fit_seconds={name: self.scale * fit_s for name, (fit_s, _score_s) in seconds.items()},
        )

    def select_affordable(self) -> dict[str, Candidate]:
        """Return the candidates that fit into memory beside the data, fitted one after the other. Raises InsufficientMemoryError."""
        size = self.size
        data = estimate_data_mb(size)
        if data >= self.budget.memory_mb:
            raise InsufficientMemoryError(memory_mb=self.budget.memory_mb, needed_mb=data, lines=size.interactions)
        fitting, held = {}, data
        for name, candidate in self.candidates.items():
            needs = candidate.estimate_mb(size, {**candidate.fixed, **candidate.start})
            if held + needs <= self.budget.memory_mb:
                fitting[name] = candidate
                held += needs * FITTED_MEMORY_SHARE
            else:
                self.exclude(name, "no_memory", needed=held + needs, bound=self.budget.memory_mb)
        return fitting

    def tune_event_weights(self) -> EventWeights:
        """Tune the event weights with three cheap algorithms and their ensemble, which cover habits and co-occurrence."""
        probes = {name: self.candidates[name] for name in PROBE_ALGORITHMS if name in self.candidates}
        if (
            not build_weight_space(self.sample.train, candidates=EVENT_WEIGHT_VALUES)
            or not probes
            or not len(self.evaluated_customers)
        ):
            return DEFAULT_EVENT_WEIGHTS

        def evaluate(weights: EventWeights) -> float:
            self.report_progress("kinds", 0.0)
            past = weights.of(self.sample.train)
            if not len(past):
                return float("nan")
            fitted = fit_components(
                {name: one.describe(one.start) for name, one in probes.items()}, past, self.products
            )
            return self.choose_ensemble_weights(fitted, past, self.sample, len(self.evaluated_customers), "max").value

        weights, found = choose_event_weights(
            train=self.sample.train,
            evaluate=evaluate,
            budget_s=self.budget.seconds * EVENT_WEIGHTS_TIME_SHARE,
            seed=SEED,
            start=DEFAULT_EVENT_WEIGHTS,
            candidates=EVENT_WEIGHT_VALUES,
            clock=self.budget.clock,
        )
        self.record_trials("kinds", found.trials, found.best)
        return weights

    def tune_algorithm(self, name: str, candidate: Candidate, past: Interactions) -> "TunedAlgorithm | None":
        """Return the best parameters found within the candidate's share of the time budget."""
        share = self.get_parameter_seconds(name)
        fitted: dict[str, Algorithm] = {}
        tuned: TunedAlgorithm | None = None
        fit_s = 0.0
        histories = past.histories(self.evaluated_customers)
        relevant = self.find_relevant(past)

        def evaluate(parameters: dict[str, Any]) -> float:
            nonlocal tuned, fit_s
            self.report_progress(name, 0.1 + 0.4 * self.get_progress(name))
            if candidate.estimate_mb(self.size, {**candidate.fixed, **parameters}) > self.budget.memory_mb:
                return float("nan")
            key = json.dumps({k: v for k, v in parameters.items() if k not in candidate.scoring_only}, sort_keys=True)
            clock = self.budget.clock
            began = clock()
            if key not in fitted:
                fitted.clear()
                fitted[key] = fit_component(candidate.describe(parameters), past, self.products)
                fit_s = clock() - began
            algorithm = copy.copy(fitted[key])
            for parameter in candidate.scoring_only & parameters.keys():
                setattr(algorithm, parameter, parameters[parameter])
            began = clock()
            shown = recommend(
                algorithm,
                histories,
                TOP_N,
                exclude_seen=self.split.exclude_seen,
                seen_kinds=self.split.seen_kinds,
                tie_seed=SEED,
            )
            score_s = (clock() - began) / max(len(histories), 1)
            value = mean_of_finite(ndcg(find_hits(shown.items, relevant), np.diff(relevant.indptr)))
            if tuned is None or np.isnan(tuned.value) or value > tuned.value:
                tuned = TunedAlgorithm(parameters, value, algorithm, fit_s, score_s)
            return value

        try:
            found = search_parameters(
                space=candidate.values,
                evaluate=evaluate,
                budget_s=share,
                seed=SEED,
                start=candidate.start,
                clock=self.budget.clock,
            )
        except (NothingToLearnError, EmptySearchError):
            self.exclude(name, "nothing_to_learn")
            return None
        self.record_trials(name, found.trials, found.best)
        return tuned

    def drop_slow_components(
        self,
        components: dict[str, dict[str, Any]],
        weights: dict[str, float],
        seconds: dict[str, tuple[float, float]],
    ) -> dict[str, dict[str, Any]]:
        """Drop expensive optional components of the smallest weight until the rest can be fitted and evaluated in time.

        Each is fitted twice more on all data, once for the test and once to serve, and scored alone and in the ensemble.
        """
        kept = dict(components)
        left = max(self.get_remaining_seconds() - EVALUATION_TIME_SHARE * self.budget.seconds, 0.0)
        for name in sorted(components, key=lambda one: weights[one]):
            if self.estimate_seconds(kept, seconds, fits=2) <= left:
                break
            cheap = self.estimate_seconds([name], seconds, fits=2) <= CHEAP_TIME_SHARE * self.budget.seconds
            if not self.candidates[name].is_required and not cheap:
                self.exclude(name, "no_time", needed=self.estimate_seconds([name], seconds, fits=2), left=left)
                del kept[name]
        return kept

    def get_remaining_seconds(self) -> float:
        """Return the remaining seconds, without those reserved for other placements."""
        return max(self.budget.get_remaining() - PLACEMENTS_TIME_SHARE * self.budget.seconds, 0.0)

    def estimate_seconds(self, names: Iterable[str], seconds: Mapping[str, tuple[float, float]], *, fits: int) -> float:
        """Return the seconds to fit components ``fits`` times on all data, score the test customers, and tune weights."""
        people = min(len(np.unique(self.split.test.test.user)), EVALUATION_CUSTOMERS) * (fits > 1)
        return sum(
            fits * self.scale * seconds[name][0] + seconds[name][1] * (WEIGHTING_CUSTOMERS + 2 * people)
            for name in names
        )

    def can_reweight(self, used: Iterable[str], seconds: Mapping[str, tuple[float, float]]) -> bool:
        """Return whether the search used a sample and there is time to tune weights on all customers."""
        several = len(list(used)) > 1
        return (
            several
            and self.scale > 1
            and self.estimate_seconds(used, seconds, fits=1) < REWEIGHTING_TIME_SHARE * self.get_remaining_seconds()
        )

    def tune_weights_on_all_customers(
        self, used: dict[str, dict[str, Any]], weighing: EventWeights
    ) -> tuple[ChosenWeights, str, dict[str, float]]:
        """Tune the weights again on all customers, with components fitted on everything before the validation part."""
        past = weighing.of(self.split.validation.train)
        fitted = {}
        for name, described in used.items():
            self.report_progress("weights", 0.57)
            fitted[name] = fit_component(described, past, self.products)
        return self.tune_weights(fitted, past, everybody=True)

    def tune_weights(
        self, fitted: dict[str, Algorithm], past: Interactions, *, everybody: bool = False
    ) -> tuple[ChosenWeights, str, dict[str, float]]:
        """Return the weights under the better normalization; the second is skipped if it would take too long.

        Weights below MIN_WEIGHT become 0.
        """
        found: dict[str, ChosenWeights] = {}
        split, people = (self.split.validation, WEIGHTING_CUSTOMERS) if everybody else (self.sample, TUNING_CUSTOMERS)
        began = self.budget.get_elapsed()
        for normalization in NORMALIZATIONS:
            took = self.budget.get_elapsed() - began
            if found and took > SECOND_NORMALIZATION_TIME_SHARE * self.get_remaining_seconds():
                break
            self.report_progress("weights", 0.55)
            found[normalization] = self.choose_ensemble_weights(fitted, past, split, people, normalization)
        best = max(found, key=lambda name: found[name].value)
        for row in self.trials:  # rows of an earlier choice with more algorithms than there was time for
            row["chosen"] = row["chosen"] and row["algorithm"] != "blend"
        self.trials += [
            {
                "algorithm": "blend",
                "parameters": {"normalization": name, **one.weights},
                "value": round_finite(one.value),
                "seconds": None,
                "chosen": name == best,
            }
            for name, one in found.items()
        ]
        chosen = found[best]
        weights = {name: share if share >= MIN_WEIGHT else 0.0 for name, share in chosen.weights.items()}
        return chosen, best, weights

    def choose_ensemble_weights(
        self, fitted: Mapping[str, Algorithm], past: Interactions, split: Split, people: int, normalization: str
    ) -> ChosenWeights:
        """Return the ensemble weights tuned on a part of the validation split."""
        return choose_weights(
            components=fitted,
            train=past,
            validation=split.test,
            exclude_seen=self.split.exclude_seen,
            seen_kinds=self.split.seen_kinds,
            seed=SEED,
            n=TOP_N,
            normalization=normalization,
            people=people,
        )

    def find_relevant(self, past: Interactions) -> Any:
        """Return the relevant items of the sampled customers."""
        return find_relevant_items(
            self.sample.test, past, self.evaluated_customers, self.split.exclude_seen, self.split.seen_kinds
        )

    def get_parameter_seconds(self, name: str) -> float:
        """Return an equal share of the time left for parameters; later candidates get what earlier ones did not use."""
        names = list(self.candidates)
        end = self.started_at + (EVENT_WEIGHTS_TIME_SHARE + PARAMETERS_TIME_SHARE) * self.budget.seconds
        return max(end - self.budget.get_elapsed(), 0.0) / (len(names) - names.index(name))

    def get_progress(self, name: str) -> float:
        """Return the position of a candidate as a share of 1."""
        return list(self.candidates).index(name) / len(self.candidates)

    def report_progress(self, what: str, share: float) -> None:
        """Report progress; raises if the training is to stop."""
        self.step(what, share)

    def exclude(self, name: str, code: str, **values: float) -> None:
        """Record why a candidate is excluded."""
        self.excluded.append(ExcludedAlgorithm(name, code, {key: round(value, 4) for key, value in values.items()}))

    def record_trials(self, name: str, rows: list[Any], best: Any) -> None:
        """Record the trials of one search."""
        self.trials += [
            {
                "algorithm": name,
                "parameters": row.parameters,
                "value": round_finite(row.value),
                "seconds": round(row.seconds, 3),
                "chosen": row is best,
            }
            for row in rows
        ]
