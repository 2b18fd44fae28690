"""Cold start: how customers without a history are served, tuned on the validation part and evaluated on the test part.

A random fifth of the customers is held_out out with all their interactions. A model that has never seen them ranks the products of their
target interactions in one period, from their traits and the category of the first product they touched in it (which is no hit). Each
fifth is held_out out once, so all customers with traits are evaluated. Customers whose very first interaction is in the last period are
evaluated separately: a shop has few of them, but they are truly new.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from customers.identity.models import Consent, ConsentDenial
from recommendations.engine import KIND_CODES, IdMap, Interactions, Products, top_n
from recommendations.engine.cold_start import ColdStart, CustomerTraits, NewVisitors, get_trait_field
from recommendations.engine.evaluation import estimate_intervals
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import PerUser, find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.recall import recall
from recommendations.engine.linear_algebra.sparse import sum_entries
from recommendations.engine.topn import count_block_rows
from recommendations.engine.tuning.parameter_search import search_parameters
from recommendations.training.budget import TrainingBudget
from recommendations.training.data.customer_traits import KnownTraits, extract_new_customers
from recommendations.training.data.extract import TrainingData
from recommendations.training.data.time_split import TimeSplit, keep_kinds
from recommendations.training.registry.artifacts import Artifact
from recommendations.training.tuning.model_choice import (
    PRIMARY_METRIC,
    SEED,
    TOP_N,
    ModelChoice,
    ReportStep,
    mean_of_finite,
    round_finite,
)

FOLDS = 5
TUNING_CUSTOMERS, EVALUATION_CUSTOMERS = 1000, 3000
MAX_FITTED_INTERACTIONS = 500_000  # per evaluated model
MIN_CUSTOMERS = 30  # fewer give no reliable figure
TUNING_TIME_SHARE, MIN_SECONDS = 0.05, 1.0  # of the training's time budget, for tuning weights
SEARCH_SPACE: Mapping[str, Sequence[Any]] = {
    "landing": (0.0, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6),
    "levels": (None, 2, 1),
    "traits": (0.0, 0.25, 0.5, 0.75, 1.0, 1.5),
    "cluster": (0.0, 0.25, 0.5, 0.75, 1.0, 1.5),
    "pseudo_count": (5.0, 20.0, 80.0),
}
NO_WEIGHTS = {"landing": 0.0, "levels": None, "traits": 0.0, "cluster": 0.0, "pseudo_count": 20.0}
START_WEIGHTS = {"landing": 0.03, "levels": 1, "traits": 0.5, "cluster": 0.5}
# contestant → the weights it may use; only "all" may set one of them to 0
CONTESTANT_WEIGHTS = {
    "popularity": (),
    "traits": ("traits",),
    "cluster": ("cluster",),
    "landing": ("landing", "levels"),
    "all": ("landing", "levels", "traits", "cluster", "pseudo_count"),
}
WEIGHT_NAMES = ("traits", "cluster", "landing")
FITTED = ("pseudo_count",)
METRICS = {"ndcg": ndcg, "hit_rate": hit_rate, "recall": recall}

type Weights = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class HeldOutCustomers:
    """Customers evaluated by a model that has not seen them.

    past: interactions of all other customers; users: rows of those held_out out; paths: category of the product each began with, first: its
    row; relevant: CSR (users, items) of their later target interactions.
    """

    past: Interactions
    users: npt.NDArray[np.int32]
    paths: list[str]
    first: npt.NDArray[np.int32]
    relevant: csr_array


@dataclass(frozen=True, eq=False)
class ColdStartResult:
    """weights: of the `ColdStart` that serves, None if popularity serves; figures: for the run record."""

    weights: dict[str, Any] | None
    figures: dict[str, Any]


NO_COLD_START = ColdStartResult(None, {})


def tune_cold_start(
    *,
    data: TrainingData,
    known: KnownTraits,
    time_split: TimeSplit,
    choice: ModelChoice,
    budget: TrainingBudget,
    step: ReportStep,
) -> ColdStartResult:
    """Tune and evaluate the cold-start model. `data` has recorded weights. Raises whatever ``step`` raises."""
    began = budget.get_elapsed()
    step("new customers", 0.82)
    interactions, people = data.interactions, known.select_users(data.interactions.users)
    tuner = _ColdStartTuner(interactions, people, data.products, time_split, choice, step)
    validation = tuner.hold_out_folds(time_split.validation.train.as_of, time_split.test.train.as_of, TUNING_CUSTOMERS)
    test = tuner.hold_out_folds(time_split.test.train.as_of, interactions.as_of, EVALUATION_CUSTOMERS)
    if min(_count_customers(validation), _count_customers(test)) < MIN_CUSTOMERS:
        return ColdStartResult(None, {"people": _count_customers(test), "least": MIN_CUSTOMERS})
    chosen = tuner.tune_contestants(validation, budget)
    on_validation = {name: tuner.compute_scores(validation, weights, head=True) for name, weights in chosen.items()}
    served = find_best_contestant({name: scores["ndcg"] for name, scores in on_validation.items()})
    figures = {
        "people": _count_customers(test),
        "with_traits": int(people.has_traits().sum()),
        "fields": sorted({get_trait_field(value) for value in people.values.ids()}),
        "served": served,
        "weights": {name: dict(weights) for name, weights in chosen.items()},
        "validation": {"people": _count_customers(validation), "rows": summarize_scores(on_validation)},
        "held_out": {
            "people": _count_customers(test),
            "rows": summarize_scores(tuner.compute_all_scores(test, chosen)),
        },
        "new": tuner.evaluate_newest(chosen),
        "seconds": round(budget.get_elapsed() - began, 1),
    }
    weights = {"half_life_days": tuner.half_life_days, **chosen[served]}
    return ColdStartResult(None if served == "popularity" else weights, figures)


def build_cold_start_artifact(*, data: TrainingData, known: KnownTraits, cold_start: ColdStartResult) -> Artifact:
    """Fit the model on all data and add the traits of customers without a history, below "cold/" and "newcomers/"; empty if unused.

    `data` is under the chosen event weights.
    """
    if cold_start.weights is None:
        return Artifact({}, {"cold": None})
    interactions = data.interactions
    model = ColdStart(**cold_start.weights, seed=SEED)
    arrays, saved = model.fit(interactions, known.select_users(interactions.users), data.products).arrays()
    active = np.flatnonzero(np.bincount(interactions.user, minlength=interactions.n_users))
    refused = ConsentDenial.objects.filter(purpose=Consent.Purpose.PERSONALISATION)
    newcomers = extract_new_customers(
        known=known,
        with_history=IdMap.of(interactions.users.ids(active.tolist())),
        refusing={f"{kind}:{value}" for kind, value in refused.values_list("kind", "value")},
    )
    parts = {"cold": arrays, "newcomers": newcomers.arrays()}
    flat = {f"{part}/{name}": array for part, inner in parts.items() for name, array in inner.items()}
    return Artifact(flat, {"cold": saved, "newcomers": newcomers.traits.shape})


class _ColdStartTuner:
    """Fits and evaluates the contestants."""

    def __init__(
        self,
        interactions: Interactions,
        people: CustomerTraits,
        products: Products,
        time_split: TimeSplit,
        choice: ModelChoice,
        step: ReportStep,
    ) -> None:
        self.interactions, self.people, self.products, self.time_split, self.step = (
            interactions,
            people,
            products,
            time_split,
            step,
        )
        self.weighing = choice.event_weights
        popularity = choice.components.get("popularity", {"parameters": {"half_life_days": 90.0}})
        self.half_life_days = popularity["parameters"]["half_life_days"]
        self.fold = np.random.default_rng(SEED).permutation(interactions.n_users) % FOLDS
        self.fitted: dict[tuple[int, Any], ColdStart] = {}

    def hold_out_folds(self, start: float, stop: float, most: int) -> list[HeldOutCustomers]:
        """Return the customers with traits (all customers if too few have any) active in the period, in five held_out-out parts."""
        past, window = self.interactions.before(start), self.interactions.after(start).before(stop)
        known = self.people.has_traits()
        active = np.bincount(window.user, minlength=window.n_users) > 0
        evaluated = np.flatnonzero(active & known if (active & known).sum() >= MIN_CUSTOMERS else active)
        if len(evaluated) > most:
            evaluated = np.random.default_rng(SEED).choice(evaluated, most, replace=False)
        past = self.limit_past(past)
        return [
            self.hold_out(
                past.subset(self.fold[past.user] != fold), window, np.sort(evaluated[self.fold[evaluated] == fold])
            )
            for fold in range(FOLDS)
        ]

    def limit_past(self, past: Interactions) -> Interactions:
        """Return at most MAX_FITTED_INTERACTIONS of whole customers, those with traits first."""
        if len(past) <= MAX_FITTED_INTERACTIONS:
            return past
        shuffled = np.random.default_rng(SEED).permutation(past.n_users)
        shuffled = shuffled[np.argsort(~self.people.has_traits()[shuffled], kind="stable")]
        counts = np.bincount(past.user, minlength=past.n_users)
        is_kept = np.zeros(past.n_users, np.bool_)
        is_kept[shuffled[: int(np.searchsorted(np.cumsum(counts[shuffled]), MAX_FITTED_INTERACTIONS)) + 1]] = True
        return past.subset(is_kept[past.user])

    def hold_out(self, past: Interactions, window: Interactions, users: npt.NDArray[np.integer]) -> HeldOutCustomers:
        """Return the held_out-out customers with their first product and later target interactions."""
        row_of_user = np.full(window.n_users, -1, np.int32)
        row_of_user[users] = np.arange(len(users), dtype=np.int32)
        held_interactions = window.subset(row_of_user[window.user] >= 0)
        sorted_interactions = held_interactions.subset(np.lexsort((held_interactions.order, held_interactions.user)))
        is_first = np.append(True, sorted_interactions.user[1:] != sorted_interactions.user[:-1])[
            : len(sorted_interactions)
        ]
        first = np.full(len(users), -1, np.int32)
        first[row_of_user[sorted_interactions.user[is_first]]] = sorted_interactions.item[is_first]
        targets = keep_kinds(sorted_interactions, [KIND_CODES[self.time_split.target]])
        later = targets.subset(targets.item != first[row_of_user[targets.user]])
        rows = row_of_user[later.user]
        relevant = sum_entries(rows, later.item, np.ones(len(rows)), (len(users), window.n_items))
        return HeldOutCustomers(self.weighing.of(past), users.astype(np.int32), self.get_paths(first), first, relevant)

    def get_paths(self, items: npt.NDArray[np.int32]) -> list[str]:
        """Return the category of each item, "" without one."""
        if self.products.category is None or self.products.categories is None:
            return [""] * len(items)
        rows = np.where(items >= 0, self.products.category[items], -1)
        return ["" if row < 0 else self.products.categories.id(row) for row in rows.tolist()]

    def tune_contestants(self, folds: list[HeldOutCustomers], budget: TrainingBudget) -> dict[str, Weights]:
        """Return the best weights of each contestant, using only its own; "all" starts from the best of each."""
        left = max(budget.seconds * TUNING_TIME_SHARE, MIN_SECONDS)
        chosen: dict[str, Weights] = {"popularity": NO_WEIGHTS}
        best_values: dict[str, Any] = {}
        floor = mean_of_finite(self.compute_scores(folds, NO_WEIGHTS, head=True)[PRIMARY_METRIC])
        for index, (name, used) in enumerate(list(CONTESTANT_WEIGHTS.items())[1:]):
            began = budget.get_elapsed()
            is_all = name == "all"
            result = search_parameters(
                space={
                    key: SEARCH_SPACE[key] if is_all else [one for one in SEARCH_SPACE[key] if one != 0.0]
                    for key in used
                },
                evaluate=lambda weights: mean_of_finite(self.compute_scores(folds, weights, head=True)[PRIMARY_METRIC]),
                budget_s=left / (len(CONTESTANT_WEIGHTS) - 1 - index),
                seed=SEED,
                start={**NO_WEIGHTS, **(best_values if is_all else {key: START_WEIGHTS[key] for key in used})},
                patience=0,
                clock=budget.clock,
            )
            left = max(left - (budget.get_elapsed() - began), 0.0)
            chosen[name] = result.best.parameters
            if result.best.value > floor:
                best_values |= {key: result.best.parameters[key] for key in used}
        return chosen

    def fit_model(self, held_out: HeldOutCustomers, weights: Weights) -> ColdStart:
        """Return the model fitted once per fitted parameter, with these weights."""
        self.step("new customers", 0.83)
        key = (id(held_out), weights["pseudo_count"])
        if key not in self.fitted:
            empty = ColdStart(half_life_days=self.half_life_days, pseudo_count=weights["pseudo_count"], seed=SEED)
            self.fitted[key] = empty.fit(held_out.past, self.people, self.products)
        return self.fitted[key].weighed(**{name: weights[name] for name in (*WEIGHT_NAMES, "levels")})

    def compute_scores(
        self, folds: list[HeldOutCustomers], weights: Weights, *, head: bool = False
    ) -> dict[str, PerUser]:
        """Return metric → one value per customer; head: rank only items with lifts, which is enough for tuning."""
        parts = [self.evaluate_fold(held_out, self.fit_model(held_out, weights), head) for held_out in folds]
        return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}

    def compute_all_scores(
        self, folds: list[HeldOutCustomers], chosen: Mapping[str, Weights]
    ) -> dict[str, dict[str, PerUser]]:
        """Return the scores of every contestant."""
        return {name: self.compute_scores(folds, weights) for name, weights in chosen.items()}

    def evaluate_fold(self, held_out: HeldOutCustomers, model: ColdStart, head: bool) -> dict[str, PerUser]:
        """Return the metrics of one held_out-out part."""
        arrivals = model.arrivals(self.people.rows(held_out.users), held_out.paths)
        items = model.items_ if head else np.arange(held_out.relevant.shape[1], dtype=np.int32)
        place = np.full(held_out.relevant.shape[1], -1, np.int32)
        place[items] = np.arange(len(items), dtype=np.int32)
        lists = []
        for start in range(0, len(arrivals), count_block_rows(len(items))):
            rows = slice(start, start + count_block_rows(len(items)))
            scores = model.score(NewVisitors(arrivals.has[rows], arrivals.landing[rows]), only_head=head)
            first_columns = place[held_out.first[rows]]
            scores[np.flatnonzero(first_columns >= 0), first_columns[first_columns >= 0]] = -np.inf
            best = top_n(scores, TOP_N, tie_seed=SEED, first_row=start).items
            lists.append(np.where(best >= 0, items[best], -1).astype(np.int32))
        counts = np.diff(held_out.relevant.indptr)
        hits = find_hits(np.concatenate(lists) if lists else np.empty((0, TOP_N), np.int32), held_out.relevant)
        return {name: metric(hits, counts) for name, metric in METRICS.items()}

    def evaluate_newest(self, chosen: Mapping[str, Weights]) -> dict[str, Any]:
        """Return the figures of customers with traits who first appear in the test part."""
        start = self.time_split.test.train.as_of
        past, window = self.interactions.before(start), self.interactions.after(start)
        before = np.bincount(past.user, minlength=past.n_users) > 0
        users = np.unique(window.user[~before[window.user]])
        users = users[self.people.has_traits()[users]][:EVALUATION_CUSTOMERS]
        folds = [self.hold_out(self.limit_past(past), window, users)]
        if _count_customers(folds) < MIN_CUSTOMERS:
            return {"people": _count_customers(folds), "rows": []}
        return {"people": _count_customers(folds), "rows": summarize_scores(self.compute_all_scores(folds, chosen))}


def find_best_contestant(scores: Mapping[str, PerUser]) -> str:
    """Return the contestant with the best validation mean if it beats popularity, else popularity."""
    best = max(scores, key=lambda name: mean_of_finite(scores[name]))
    return best if mean_of_finite(scores[best]) > mean_of_finite(scores["popularity"]) else "popularity"


def summarize_scores(scores: Mapping[str, Mapping[str, PerUser]]) -> list[dict[str, Any]]:
    """Return one row per contestant: metric@10 → value, low, high; difference: of the primary metric to popularity."""
    columns = {(name, metric): values for name, metrics in scores.items() for metric, values in metrics.items()}
    for name in scores:
        columns[name, "difference"] = columns[name, PRIMARY_METRIC] - columns["popularity", PRIMARY_METRIC]
    interval_of = dict(
        zip(columns, estimate_intervals(np.column_stack(list(columns.values())), seed=SEED), strict=True)
    )
    return [
        {
            "contestant": name,
            "figures": {f"{metric}@{TOP_N}": _serialize_interval(interval_of[name, metric]) for metric in METRICS},
            "difference": None if name == "popularity" else _serialize_interval(interval_of[name, "difference"]),
        }
        for name in scores
    ]


def _serialize_interval(interval: Any) -> dict[str, float | None]:
    """Return an interval as JSON."""
    return {
        "value": round_finite(interval.value),
        "low": round_finite(interval.low),
        "high": round_finite(interval.high),
    }


def _count_customers(folds: list[HeldOutCustomers]) -> int:
    """Return the number of held_out-out customers with a relevant item."""
    return sum(int((np.diff(held_out.relevant.indptr) > 0).sum()) for held_out in folds)
