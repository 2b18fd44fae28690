"""Which algorithms, parameters and weights serve a shop best: chosen on its validation part, within seconds and memory."""

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recommendations.engine import ALGORITHMS, KINDS, Algorithm, Interactions, Products, recommend
from recommendations.engine.algorithms.base import NothingToLearnError
from recommendations.engine.algorithms.ensembles.weighted_ensemble import NORMALISATIONS
from recommendations.engine.data.event_weights import QUANTITY, USUAL, EventWeights, choose_event_weights, weights_space
from recommendations.engine.evaluation import Split
from recommendations.engine.evaluation.ranking_metrics.hits import hits_of
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.runner import relevant_items
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.engine.tuning.ensemble_weights import ChosenWeights, choose_weights
from recommendations.engine.tuning.parameter_search import NothingFoundError, search
from recommendations.training.budget import Budget, Size, TooLittleMemoryError, data_mb
from recommendations.training.data.time_split import Cuts, some_people
from recommendations.training.tuning.search_space import CANDIDATES, Candidate

PRIMARY, AT = "ndcg", 10
SEED = 20261124
TUNING_LINES = 300_000
TUNING_PEOPLE = 300
WEIGHTS_PEOPLE = 1000
JUDGED_PEOPLE = 5000
# of the seconds: for what a kind of interaction is worth, and for parameters; the rest is for fitting on all of the data
SHARE_OF_KINDS, SHARE_OF_PARAMETERS = 0.1, 0.35
SHARE_OF_JUDGING = 0.2
SHARE_OF_PLACES = 0.2  # for choosing and judging what the other places of the shop are made of
SHARE_OF_CHEAP = 0.05  # of the seconds: leaving out what takes less gains nothing
PROBES = ("popularity", "repeat", "user-knn")
# of what the kinds are worth; how fast it fades each algorithm is asked for itself
EVENT_WEIGHTS: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(KINDS, (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0)),
    QUANTITY: (0.0, 0.25, 0.5, 1.0),
}
LEAST_WEIGHT = 0.02  # what counts less costs every answer its time for nothing
HOPELESS = 0.1  # of the best one's value: alone below that, nothing has helped a blend
SHARE_OF_SECOND_NORMALISATION = 0.15
SHARE_OF_SECOND_LOOK = 0.4  # of the seconds left, for weights by all people instead of those of the search
KEPT_SHARE = 0.5  # of the memory that fitting takes, what the fitted arrays hold

type Step = Callable[[str, float], None]


@dataclass(frozen=True)
class LeftOut:
    """A candidate that was not taken: no_memory (needs, bound in MB), no_time (seconds needed, left), nothing_to_learn, no_help."""

    algorithm: str
    code: str
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Choice:
    """components: name → algorithm and parameters; weights of the blend, 0 for what only other places need.

    value: the blend's on the validation part, single each one's alone. tried: every row of every search. spare: what for-you does not
    need and other places may, as tuned; fit_s: about how many seconds each takes to be fitted on all that came before the validation part.
    others: name → algorithm and parameters of components that are for other places alone, and no contestants of for-you.
    """

    weighing: EventWeights
    components: dict[str, dict[str, Any]]
    weights: dict[str, float]
    normalisation: str
    value: float
    single: dict[str, float]
    tried: list[dict[str, Any]]
    left_out: list[LeftOut]
    spare: dict[str, dict[str, Any]] = field(default_factory=dict)
    fit_s: dict[str, float] = field(default_factory=dict)
    others: dict[str, dict[str, Any]] = field(default_factory=dict)

    def used(self) -> list[str]:
        """The components that for-you is made of."""
        return [name for name, weight in self.weights.items() if weight > 0]

    def with_others(self, others: Mapping[str, Mapping[str, Any]]) -> "Choice":
        """With these components beside those of for-you, instead of what was beside them."""
        own = {name: described for name, described in self.components.items() if name not in self.others}
        added = {name: dict(described) for name, described in others.items() if name not in own}
        weights = {name: self.weights.get(name, 0.0) for name in (*own, *added)}
        return replace(self, components={**own, **added}, weights=weights, others=added)


def choose(
    *,
    cuts: Cuts,
    products: Products,
    budget: Budget,
    step: Step,
    candidates: Mapping[str, Candidate] = CANDIDATES,
) -> Choice:
    """Errors: TooLittleMemoryError; whatever ``step`` raises, which is asked before every trial."""
    return _Choosing(cuts, products, budget, step, candidates).run()


def fit_all(
    components: Mapping[str, Mapping[str, Any]], interactions: Interactions, products: Products
) -> dict[str, Algorithm]:
    return {name: fit_one(described, interactions, products) for name, described in components.items()}


def fit_one(described: Mapping[str, Any], interactions: Interactions, products: Products) -> Algorithm:
    return ALGORITHMS[described["algorithm"]](**described["parameters"]).fit(interactions, products)


def size_of(interactions: Interactions) -> Size:
    entries = interactions.user_items().nnz
    return Size(interactions.n_users, interactions.n_items, entries, len(interactions))


@dataclass(frozen=True, eq=False)
class Tuned:
    """The best of a candidate's trials, fitted on the part; seconds to fit it and to score a person."""

    parameters: dict[str, Any]
    value: float
    fitted: Algorithm
    fit_s: float
    score_s: float


class _Choosing:
    """Where choosing stands."""

    def __init__(
        self, cuts: Cuts, products: Products, budget: Budget, step: Step, candidates: Mapping[str, Candidate]
    ) -> None:
        self.cuts, self.products, self.budget, self.step = cuts, products, budget, step
        self.candidates = candidates
        self.part, self.judged = some_people(cuts.validation, lines=TUNING_LINES, people=TUNING_PEOPLE, seed=SEED)
        self.size = size_of(cuts.test.train)
        self.scale = len(cuts.validation.train) / max(len(self.part.train), 1)
        self.tried: list[dict[str, Any]] = []
        self.left_out: list[LeftOut] = []
        self.began = budget.spent()

    def run(self) -> Choice:
        """Errors: EmptySplitError, TooLittleMemoryError."""
        if not self.relevant(self.part.train).nnz:
            raise EmptySplitError("nobody of those drawn took anything in the validation part that counts")
        weighing = self.choose_weighing()
        past = weighing.of(self.part.train)
        components, values, seconds, fitted = {}, {}, {}, {}
        for name, candidate in self.affordable().items():
            tuned = self.tune(name, candidate, past)
            if tuned is not None:
                components[name], values[name] = candidate.described(tuned.parameters), tuned.value
                seconds[name], fitted[name] = (tuned.fit_s, tuned.score_s), tuned.fitted
        tuned_all = dict(components)
        best = max(values.values(), default=0.0)
        for name in [one for one in components if values[one] < HOPELESS * best and not self.candidates[one].kept]:
            self.note(name, "no_help", value=values[name])
            del components[name], fitted[name]
        chosen, normalisation, weights = self.weigh(fitted, past)
        for name in [name for name in components if not weights[name] and not self.candidates[name].kept]:
            self.note(name, "no_help", value=values[name])
            del components[name], fitted[name]
        affordable = self.fitting_in_time(components, weights, seconds)
        if len(affordable) < len(components):
            chosen, normalisation, weights = self.weigh({name: fitted[name] for name in affordable}, past)
        used = {name: components[name] for name in affordable if weights[name]}
        if self.may_look_again(used, seconds):
            chosen, normalisation, weights = self.weigh_on_everybody(used, weighing)
        kept = {name: components[name] for name in affordable if weights.get(name) or self.candidates[name].kept}
        total = sum(weights.values())
        shares = {name: round(weights.get(name, 0.0) / total, 4) for name in kept}
        return Choice(
            weighing,
            kept,
            shares,
            normalisation,
            chosen.value,
            chosen.single,
            self.tried,
            self.left_out,
            spare={name: described for name, described in tuned_all.items() if name not in kept},
            fit_s={name: self.scale * fit_s for name, (fit_s, _score_s) in seconds.items()},
        )

    def affordable(self) -> dict[str, Candidate]:
        """Those that can be fitted one after the other, and kept, in the memory beside the data. Errors: TooLittleMemoryError."""
        size = self.size
        data = data_mb(size)
        if data >= self.budget.memory_mb:
            raise TooLittleMemoryError(memory_mb=self.budget.memory_mb, needed_mb=data, lines=size.lines)
        fitting, held = {}, data
        for name, candidate in self.candidates.items():
            needs = candidate.megabytes(size, {**candidate.fixed, **candidate.start})
            if held + needs <= self.budget.memory_mb:
                fitting[name] = candidate
                held += needs * KEPT_SHARE
            else:
                self.note(name, "no_memory", needed=held + needs, bound=self.budget.memory_mb)
        return fitting

    def choose_weighing(self) -> EventWeights:
        """By three cheap algorithms and their blend, which see a person's own habit and what goes together."""
        probes = {name: self.candidates[name] for name in PROBES if name in self.candidates}
        if not weights_space(self.part.train, candidates=EVENT_WEIGHTS) or not probes or not len(self.judged):
            return USUAL

        def evaluate(weights: EventWeights) -> float:
            self.ask("kinds", 0.0)
            past = weights.of(self.part.train)
            if not len(past):
                return float("nan")
            fitted = fit_all({name: one.described(one.start) for name, one in probes.items()}, past, self.products)
            return self.weights_of(fitted, past, self.part, len(self.judged), "max").value

        weights, found = choose_event_weights(
            train=self.part.train,
            evaluate=evaluate,
            budget_s=self.budget.seconds * SHARE_OF_KINDS,
            seed=SEED,
            start=USUAL,
            candidates=EVENT_WEIGHTS,
            clock=self.budget.clock,
        )
        self.keep("kinds", found.tried, found.best)
        return weights

    def tune(self, name: str, candidate: Candidate, past: Interactions) -> "Tuned | None":
        """The best parameters within this candidate's share of the seconds."""
        share = self.parameter_seconds(name)
        fitted: dict[str, Algorithm] = {}
        tuned: Tuned | None = None
        fit_s = 0.0
        histories = past.histories(self.judged)
        relevant = self.relevant(past)

        def evaluate(parameters: dict[str, Any]) -> float:
            nonlocal tuned, fit_s
            self.ask(name, 0.1 + 0.4 * self.place(name))
            if candidate.megabytes(self.size, {**candidate.fixed, **parameters}) > self.budget.memory_mb:
                return float("nan")
            key = json.dumps({k: v for k, v in parameters.items() if k not in candidate.scoring}, sort_keys=True)
            clock = self.budget.clock
            began = clock()
            if key not in fitted:
                fitted.clear()
                fitted[key] = fit_one(candidate.described(parameters), past, self.products)
                fit_s = clock() - began
            algorithm = copy.copy(fitted[key])
            for parameter in candidate.scoring & parameters.keys():
                setattr(algorithm, parameter, parameters[parameter])
            began = clock()
            shown = recommend(
                algorithm,
                histories,
                AT,
                exclude_seen=self.cuts.exclude_seen,
                seen_kinds=self.cuts.seen_kinds,
                tie_seed=SEED,
            )
            score_s = (clock() - began) / max(len(histories), 1)
            value = mean(ndcg(hits_of(shown.items, relevant), np.diff(relevant.indptr)))
            if tuned is None or np.isnan(tuned.value) or value > tuned.value:
                tuned = Tuned(parameters, value, algorithm, fit_s, score_s)
            return value

        try:
            found = search(
                space=candidate.space,
                evaluate=evaluate,
                budget_s=share,
                seed=SEED,
                start=candidate.start,
                clock=self.budget.clock,
            )
        except (NothingToLearnError, NothingFoundError):
            self.note(name, "nothing_to_learn")
            return None
        self.keep(name, found.tried, found.best)
        return tuned

    def fitting_in_time(
        self,
        components: dict[str, dict[str, Any]],
        weights: dict[str, float],
        seconds: dict[str, tuple[float, float]],
    ) -> dict[str, dict[str, Any]]:
        """Without those of the smallest weight that can be done without and are not cheap, until what is left can be fitted and judged in time.

        Each is fitted twice more on all of the data, once for the test and once to serve, and scored alone and in the blend.
        """
        kept = dict(components)
        left = max(self.left() - SHARE_OF_JUDGING * self.budget.seconds, 0.0)
        for name in sorted(components, key=lambda one: weights[one]):
            if self.cost(kept, seconds, fits=2) <= left:
                break
            cheap = self.cost([name], seconds, fits=2) <= SHARE_OF_CHEAP * self.budget.seconds
            if not self.candidates[name].kept and not cheap:
                self.note(name, "no_time", needed=self.cost([name], seconds, fits=2), left=left)
                del kept[name]
        return kept

    def left(self) -> float:
        """Seconds, without those of the other places."""
        return max(self.budget.left() - SHARE_OF_PLACES * self.budget.seconds, 0.0)

    def cost(self, names: Iterable[str], seconds: Mapping[str, tuple[float, float]], *, fits: int) -> float:
        """Seconds to fit them so many times on all of the data, to score the test people alone and blended, and to weigh."""
        people = min(len(np.unique(self.cuts.test.test.user)), JUDGED_PEOPLE) * (fits > 1)
        return sum(
            fits * self.scale * seconds[name][0] + seconds[name][1] * (WEIGHTS_PEOPLE + 2 * people) for name in names
        )

    def may_look_again(self, used: Iterable[str], seconds: Mapping[str, tuple[float, float]]) -> bool:
        """Whether the search has seen a part of the people only, and there is time to weigh by all of them."""
        several = len(list(used)) > 1
        return several and self.scale > 1 and self.cost(used, seconds, fits=1) < SHARE_OF_SECOND_LOOK * self.left()

    def weigh_on_everybody(
        self, used: dict[str, dict[str, Any]], weighing: EventWeights
    ) -> tuple[ChosenWeights, str, dict[str, float]]:
        """The weights once more, of what is to serve fitted on the whole past before the validation part, by more people."""
        past = weighing.of(self.cuts.validation.train)
        fitted = {}
        for name, described in used.items():
            self.ask("weights", 0.57)
            fitted[name] = fit_one(described, past, self.products)
        return self.weigh(fitted, past, everybody=True)

    def weigh(
        self, fitted: dict[str, Algorithm], past: Interactions, *, everybody: bool = False
    ) -> tuple[ChosenWeights, str, dict[str, float]]:
        """Weights by the better of both normalisations, or by the first where the second would take too long.

        What hardly counts counts nothing.
        """
        found: dict[str, ChosenWeights] = {}
        split, people = (self.cuts.validation, WEIGHTS_PEOPLE) if everybody else (self.part, TUNING_PEOPLE)
        began = self.budget.spent()
        for normalisation in NORMALISATIONS:
            took = self.budget.spent() - began
            if found and took > SHARE_OF_SECOND_NORMALISATION * self.left():
                break
            self.ask("weights", 0.55)
            found[normalisation] = self.weights_of(fitted, past, split, people, normalisation)
        best = max(found, key=lambda name: found[name].value)
        for row in self.tried:  # of an earlier choice, of more algorithms than there was time for
            row["chosen"] = row["chosen"] and row["algorithm"] != "blend"
        self.tried += [
            {
                "algorithm": "blend",
                "parameters": {"normalisation": name, **one.weights},
                "value": number(one.value),
                "seconds": None,
                "chosen": name == best,
            }
            for name, one in found.items()
        ]
        chosen = found[best]
        weights = {name: share if share >= LEAST_WEIGHT else 0.0 for name, share in chosen.weights.items()}
        return chosen, best, weights

    def weights_of(
        self, fitted: Mapping[str, Algorithm], past: Interactions, split: Split, people: int, normalisation: str
    ) -> ChosenWeights:
        return choose_weights(
            components=fitted,
            train=past,
            validation=split.test,
            exclude_seen=self.cuts.exclude_seen,
            seen_kinds=self.cuts.seen_kinds,
            seed=SEED,
            n=AT,
            normalisation=normalisation,
            people=people,
        )

    def relevant(self, past: Interactions) -> Any:
        return relevant_items(self.part.test, past, self.judged, self.cuts.exclude_seen, self.cuts.seen_kinds)

    def parameter_seconds(self, name: str) -> float:
        """An equal share of what is left of the seconds for parameters, so that what one did not use the next ones have."""
        names = list(self.candidates)
        end = self.began + (SHARE_OF_KINDS + SHARE_OF_PARAMETERS) * self.budget.seconds
        return max(end - self.budget.spent(), 0.0) / (len(names) - names.index(name))

    def place(self, name: str) -> float:
        return list(self.candidates).index(name) / len(self.candidates)

    def ask(self, what: str, share: float) -> None:
        self.step(what, share)

    def note(self, name: str, code: str, **values: float) -> None:
        self.left_out.append(LeftOut(name, code, {key: round(value, 4) for key, value in values.items()}))

    def keep(self, name: str, rows: list[Any], best: Any) -> None:
        self.tried += [
            {
                "algorithm": name,
                "parameters": row.parameters,
                "value": number(row.value),
                "seconds": round(row.seconds, 3),
                "chosen": row is best,
            }
            for row in rows
        ]


def mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def number(value: float) -> float | None:
    """JSON knows no NaN."""
    return round(float(value), 6) if np.isfinite(value) else None
