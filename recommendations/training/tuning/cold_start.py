"""How people without a history are served: chosen on the validation part, judged apart on the last stretch of time.

Everybody of a random fifth of the people is held out with all that they did; a model that has never seen them ranks what they took
in a stretch of time, from their traits and from the category of the first product they touched in it, which is no hit then. Each
fifth is held out once, so that all people with traits are judged. Those whose first interaction of all lies in the last stretch
are judged beside them: a shop has few of them, but they are truly new.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from customers.identity.models import Consent, ConsentRefusal
from recommendations.engine import KIND_CODES, IdMap, Interactions, Products, top_n
from recommendations.engine.cold_start import Arrivals, ColdStart, People, field_of
from recommendations.engine.evaluation import intervals
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import PerPerson, hits_of
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.recall import recall
from recommendations.engine.linear_algebra.sparse import summed
from recommendations.engine.topn import block_rows
from recommendations.engine.tuning.parameter_search import search
from recommendations.training.budget import Budget
from recommendations.training.data.customer_traits import KnownPeople, newcomers_of
from recommendations.training.data.extract import TrainingData
from recommendations.training.data.time_split import Cuts, of_kinds
from recommendations.training.registry.artifacts import Artifact
from recommendations.training.tuning.tuning import AT, PRIMARY, SEED, Choice, Step, mean, number

FOLDS = 5
CHOOSING_PEOPLE, JUDGED_PEOPLE = 1000, 3000
FITTED_LINES = 500_000  # of the models that are judged
LEAST_PEOPLE = 30  # fewer say nothing
SHARE_OF_CHOOSING, LEAST_SECONDS = 0.05, 1.0  # of the seconds of a training, for weights
SPACE: Mapping[str, Sequence[Any]] = {
    "landing": (0.0, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6),
    "levels": (None, 2, 1),
    "traits": (0.0, 0.25, 0.5, 0.75, 1.0, 1.5),
    "cluster": (0.0, 0.25, 0.5, 0.75, 1.0, 1.5),
    "pseudo_count": (5.0, 20.0, 80.0),
}
NOTHING = {"landing": 0.0, "levels": None, "traits": 0.0, "cluster": 0.0, "pseudo_count": 20.0}
USUAL = {"landing": 0.03, "levels": 1, "traits": 0.5, "cluster": 0.5}
# contestant → the weights it may use, none of which is 0 unless all are together
USES = {
    "popularity": (),
    "traits": ("traits",),
    "cluster": ("cluster",),
    "landing": ("landing", "levels"),
    "all": ("landing", "levels", "traits", "cluster", "pseudo_count"),
}
WEIGHTS = ("traits", "cluster", "landing")
FITTED = ("pseudo_count",)
METRICS = {"ndcg": ndcg, "hit_rate": hit_rate, "recall": recall}

type Weights = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Held:
    """People who are judged by a model that has not seen them.

    past: what the others did; users: the rows of those held out; paths: the category of the product each began with, first:
    its row; relevant: CSR (users, items) of what they took after it.
    """

    past: Interactions
    users: npt.NDArray[np.int32]
    paths: list[str]
    first: npt.NDArray[np.int32]
    relevant: csr_array


@dataclass(frozen=True, eq=False)
class ColdPeople:
    """weights: those of `ColdStart` that serve; None: popularity serves. figures: what the record keeps."""

    weights: dict[str, Any] | None
    figures: dict[str, Any]


NOBODY_NEW = ColdPeople(None, {})


def choose_and_judge(
    *, data: TrainingData, known: KnownPeople, cuts: Cuts, choice: Choice, budget: Budget, step: Step
) -> ColdPeople:
    """data: under the weights as told. Whatever ``step`` raises."""
    began = budget.spent()
    step("new customers", 0.82)
    interactions, people = data.interactions, known.of_users(data.interactions.users)
    judging = _Judging(interactions, people, data.products, cuts, choice, step)
    validation = judging.folds(cuts.validation.train.as_of, cuts.test.train.as_of, CHOOSING_PEOPLE)
    test = judging.folds(cuts.test.train.as_of, interactions.as_of, JUDGED_PEOPLE)
    if min(_people(validation), _people(test)) < LEAST_PEOPLE:
        return ColdPeople(None, {"people": _people(test), "least": LEAST_PEOPLE})
    chosen = judging.choose(validation, budget)
    on_validation = {name: judging.scores(validation, weights, head=True) for name, weights in chosen.items()}
    served = served_name({name: scores["ndcg"] for name, scores in on_validation.items()})
    figures = {
        "people": _people(test),
        "with_traits": int(people.known().sum()),
        "fields": sorted({field_of(value) for value in people.values.ids()}),
        "served": served,
        "weights": {name: dict(weights) for name, weights in chosen.items()},
        "validation": {"people": _people(validation), "rows": rows_of(on_validation)},
        "held_out": {"people": _people(test), "rows": rows_of(judging.all_scores(test, chosen))},
        "new": judging.newest(chosen),
        "seconds": round(budget.spent() - began, 1),
    }
    weights = {"half_life_days": judging.half_life_days, **chosen[served]}
    return ColdPeople(None if served == "popularity" else weights, figures)


def cold_artifact(*, data: TrainingData, known: KnownPeople, cold_people: ColdPeople) -> Artifact:
    """The model fitted on everything and the traits of those without a history, below "cold/" and "newcomers/"; empty without one.

    data: under the chosen weights.
    """
    if cold_people.weights is None:
        return Artifact({}, {"cold": None})
    interactions = data.interactions
    model = ColdStart(**cold_people.weights, seed=SEED)
    arrays, saved = model.fit(interactions, known.of_users(interactions.users), data.products).arrays()
    active = np.flatnonzero(np.bincount(interactions.user, minlength=interactions.n_users))
    refused = ConsentRefusal.objects.filter(purpose=Consent.Purpose.PERSONALISATION)
    newcomers = newcomers_of(
        known=known,
        with_history=IdMap.of(interactions.users.ids(active.tolist())),
        refusing={f"{kind}:{value}" for kind, value in refused.values_list("kind", "value")},
    )
    parts = {"cold": arrays, "newcomers": newcomers.arrays()}
    flat = {f"{part}/{name}": array for part, inner in parts.items() for name, array in inner.items()}
    return Artifact(flat, {"cold": saved, "newcomers": newcomers.has.shape})


class _Judging:
    """What every contestant is judged with."""

    def __init__(
        self, interactions: Interactions, people: People, products: Products, cuts: Cuts, choice: Choice, step: Step
    ) -> None:
        self.interactions, self.people, self.products, self.cuts, self.step = interactions, people, products, cuts, step
        self.weighing = choice.weighing
        popularity = choice.components.get("popularity", {"parameters": {"half_life_days": 90.0}})
        self.half_life_days = popularity["parameters"]["half_life_days"]
        self.fold = np.random.default_rng(SEED).permutation(interactions.n_users) % FOLDS
        self.fitted: dict[tuple[int, Any], ColdStart] = {}

    def folds(self, start: float, stop: float, most: int) -> list[Held]:
        """Everybody with traits (everybody at all where too few have any) who took something in the stretch, by fifths."""
        past, window = self.interactions.before(start), self.interactions.after(start).before(stop)
        known = self.people.known()
        active = np.bincount(window.user, minlength=window.n_users) > 0
        judged = np.flatnonzero(active & known if (active & known).sum() >= LEAST_PEOPLE else active)
        if len(judged) > most:
            judged = np.random.default_rng(SEED).choice(judged, most, replace=False)
        past = self.limited(past)
        return [
            self.held(past.subset(self.fold[past.user] != fold), window, np.sort(judged[self.fold[judged] == fold]))
            for fold in range(FOLDS)
        ]

    def limited(self, past: Interactions) -> Interactions:
        """Of all that there is as many whole people as FITTED_LINES hold, those with traits before others."""
        if len(past) <= FITTED_LINES:
            return past
        drawn = np.random.default_rng(SEED).permutation(past.n_users)
        drawn = drawn[np.argsort(~self.people.known()[drawn], kind="stable")]
        counts = np.bincount(past.user, minlength=past.n_users)
        kept = np.zeros(past.n_users, np.bool_)
        kept[drawn[: int(np.searchsorted(np.cumsum(counts[drawn]), FITTED_LINES)) + 1]] = True
        return past.subset(kept[past.user])

    def held(self, past: Interactions, window: Interactions, users: npt.NDArray[np.integer]) -> Held:
        place = np.full(window.n_users, -1, np.int32)
        place[users] = np.arange(len(users), dtype=np.int32)
        own = window.subset(place[window.user] >= 0)
        in_time = own.subset(np.lexsort((own.order, own.user)))
        begins = np.append(True, in_time.user[1:] != in_time.user[:-1])[: len(in_time)]
        first = np.full(len(users), -1, np.int32)
        first[place[in_time.user[begins]]] = in_time.item[begins]
        taken = of_kinds(in_time, [KIND_CODES[self.cuts.target]])
        later = taken.subset(taken.item != first[place[taken.user]])
        rows = place[later.user]
        relevant = summed(rows, later.item, np.ones(len(rows)), (len(users), window.n_items))
        return Held(self.weighing.of(past), users.astype(np.int32), self.paths(first), first, relevant)

    def paths(self, items: npt.NDArray[np.int32]) -> list[str]:
        """The category of each item, "" where there is none."""
        if self.products.category is None or self.products.categories is None:
            return [""] * len(items)
        rows = np.where(items >= 0, self.products.category[items], -1)
        return ["" if row < 0 else self.products.categories.id(row) for row in rows.tolist()]

    def choose(self, folds: list[Held], budget: Budget) -> dict[str, Weights]:
        """The best weights of each contestant, which may use its own alone; all together start from the best of each."""
        left = max(budget.seconds * SHARE_OF_CHOOSING, LEAST_SECONDS)
        chosen: dict[str, Weights] = {"popularity": NOTHING}
        helps: dict[str, Any] = {}
        floor = mean(self.scores(folds, NOTHING, head=True)[PRIMARY])
        for place, (name, used) in enumerate(list(USES.items())[1:]):
            began = budget.spent()
            together = name == "all"
            found = search(
                space={key: SPACE[key] if together else [one for one in SPACE[key] if one != 0.0] for key in used},
                evaluate=lambda weights: mean(self.scores(folds, weights, head=True)[PRIMARY]),
                budget_s=left / (len(USES) - 1 - place),
                seed=SEED,
                start={**NOTHING, **(helps if together else {key: USUAL[key] for key in used})},
                patience=0,
                clock=budget.clock,
            )
            left = max(left - (budget.spent() - began), 0.0)
            chosen[name] = found.best.parameters
            if found.best.value > floor:
                helps |= {key: found.best.parameters[key] for key in used}
        return chosen

    def model(self, held: Held, weights: Weights) -> ColdStart:
        """Fitted on the past of these people's others, once for each of what is fitted, and with these weights."""
        self.step("new customers", 0.83)
        key = (id(held), weights["pseudo_count"])
        if key not in self.fitted:
            empty = ColdStart(half_life_days=self.half_life_days, pseudo_count=weights["pseudo_count"], seed=SEED)
            self.fitted[key] = empty.fit(held.past, self.people, self.products)
        return self.fitted[key].weighed(**{name: weights[name] for name in (*WEIGHTS, "levels")})

    def scores(self, folds: list[Held], weights: Weights, *, head: bool = False) -> dict[str, PerPerson]:
        """Metric → one figure a person; head: among the items with lifts alone, which is enough to choose by."""
        parts = [self.judged(held, self.model(held, weights), head) for held in folds]
        return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}

    def all_scores(self, folds: list[Held], chosen: Mapping[str, Weights]) -> dict[str, dict[str, PerPerson]]:
        return {name: self.scores(folds, weights) for name, weights in chosen.items()}

    def judged(self, held: Held, model: ColdStart, head: bool) -> dict[str, PerPerson]:
        arrivals = model.arrivals(self.people.rows(held.users), held.paths)
        items = model.items_ if head else np.arange(held.relevant.shape[1], dtype=np.int32)
        place = np.full(held.relevant.shape[1], -1, np.int32)
        place[items] = np.arange(len(items), dtype=np.int32)
        shown = []
        for start in range(0, len(arrivals), block_rows(len(items))):
            rows = slice(start, start + block_rows(len(items)))
            scores = model.score(Arrivals(arrivals.has[rows], arrivals.landing[rows]), only_head=head)
            begun = place[held.first[rows]]
            scores[np.flatnonzero(begun >= 0), begun[begun >= 0]] = -np.inf
            best = top_n(scores, AT, tie_seed=SEED, first_row=start).items
            shown.append(np.where(best >= 0, items[best], -1).astype(np.int32))
        counts = np.diff(held.relevant.indptr)
        hits = hits_of(np.concatenate(shown) if shown else np.empty((0, AT), np.int32), held.relevant)
        return {name: metric(hits, counts) for name, metric in METRICS.items()}

    def newest(self, chosen: Mapping[str, Weights]) -> dict[str, Any]:
        """Those who were not there before the test part, and of whom there is a trait."""
        start = self.cuts.test.train.as_of
        past, window = self.interactions.before(start), self.interactions.after(start)
        before = np.bincount(past.user, minlength=past.n_users) > 0
        users = np.unique(window.user[~before[window.user]])
        users = users[self.people.known()[users]][:JUDGED_PEOPLE]
        folds = [self.held(self.limited(past), window, users)]
        if _people(folds) < LEAST_PEOPLE:
            return {"people": _people(folds), "rows": []}
        return {"people": _people(folds), "rows": rows_of(self.all_scores(folds, chosen))}


def served_name(scores: Mapping[str, PerPerson]) -> str:
    """The best of those that beat popularity, by the mean on the same people of the validation part."""
    best = max(scores, key=lambda name: mean(scores[name]))
    return best if mean(scores[best]) > mean(scores["popularity"]) else "popularity"


def rows_of(scores: Mapping[str, Mapping[str, PerPerson]]) -> list[dict[str, Any]]:
    """One row a contestant: metric@10 → value, low, high; difference: of the primary metric to popularity, on the same people."""
    columns = {(name, metric): values for name, metrics in scores.items() for metric, values in metrics.items()}
    for name in scores:
        columns[name, "difference"] = columns[name, PRIMARY] - columns["popularity", PRIMARY]
    found = dict(zip(columns, intervals(np.column_stack(list(columns.values())), seed=SEED), strict=True))
    return [
        {
            "contestant": name,
            "figures": {f"{metric}@{AT}": _interval(found[name, metric]) for metric in METRICS},
            "difference": None if name == "popularity" else _interval(found[name, "difference"]),
        }
        for name in scores
    ]


def _interval(interval: Any) -> dict[str, float | None]:
    return {"value": number(interval.value), "low": number(interval.low), "high": number(interval.high)}


def _people(folds: list[Held]) -> int:
    """With anything to find."""
    return sum(int((np.diff(held.relevant.indptr) > 0).sum()) for held in folds)
