"""How good the places of a shop are: weights chosen by questions of one stretch of time, judged by those of another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import Algorithm
from recommendations.engine.algorithms.ensembles.weighted_ensemble import Blend, add_normalised
from recommendations.engine.evaluation.bootstrap import Interval, intervals
from recommendations.engine.evaluation.evaluation_queries import Questions
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import PerPerson, hits_of
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.precision import precision
from recommendations.engine.linear_algebra.sparse import summed
from recommendations.engine.topn import block_rows, top_n
from recommendations.engine.tuning.ensemble_weights import weights_for

METRICS = {"ndcg": ndcg, "hit_rate": hit_rate, "precision": precision}
PRIMARY = "ndcg"
SHOWN = 10
STEPS = (0.0, 0.03, 0.1, 0.25, 0.5, 1.0, 2.0)
DEPTH = 50
LEAST_WEIGHT = 0.02  # what counts less costs every answer its time for nothing

type Lists = npt.NDArray[np.int32]
type Ranker = Callable[[Questions], Lists]


@dataclass(frozen=True, eq=False)
class Judged:
    """questions and people with anything to find; metric@10 → the place's, its fallback's and their paired difference, over people."""

    questions: int
    people: int
    own: dict[str, Interval]
    fallback: dict[str, Interval]
    difference: dict[str, Interval]

    def beats(self) -> bool:
        """Beyond chance."""
        return self.difference[PRIMARY].low > 0


def ranked(algorithm: Algorithm, questions: Questions, *, seed: int) -> Lists:
    """int32 (n, 10): the best of all items that each question admits."""
    size = block_rows(questions.histories.n_items)
    parts = [np.empty((0, SHOWN), np.int32)]
    for start in range(0, len(questions), size):
        block = questions.block(start, start + size)
        scores = algorithm.score(block.histories)
        if block.offered is not None:
            dense = scores.toarray() if isinstance(scores, csr_array) else scores
            shown = (block.offered.toarray() > 0) & (dense > 0)
            scores = np.where(shown, dense, np.float32(-np.inf))
        parts.append(
            top_n(scores, SHOWN, exclude=block.barred, allowed=block.among, tie_seed=seed, first_row=start).items
        )
    return np.concatenate(parts)


def ranker(algorithm: Algorithm, *, seed: int) -> Ranker:
    return lambda questions: ranked(algorithm, questions, seed=seed)


def weigh(
    parts: Mapping[str, Algorithm], questions: Questions, *, normalisation: str = "max"
) -> tuple[dict[str, float], float]:
    """The weights with the largest mean NDCG@10, as `blend_search.weights_for` finds them, and that mean; what hardly counts is left out.

    Parts that have a score for nothing that was wanted get no weight. Errors: ValueError without a part.
    """
    if not parts:
        raise ValueError("there is no part to weigh")
    found = weights_for(
        components=parts,
        histories=questions.histories,
        relevant=questions.relevant,
        exclude_seen=False,
        n=SHOWN,
        normalisation=normalisation,
        depth=DEPTH,
        steps=STEPS,
        rounds=2,
        barred=questions.barred,
        offered=questions.offered,
    )
    kept = {name: share for name, share in found.weights.items() if share >= LEAST_WEIGHT}
    total = sum(kept.values())
    return {name: round(share / total, 4) for name, share in kept.items()}, found.value


def blended(parts: Mapping[str, Algorithm], weights: Mapping[str, float], normalisation: str = "max") -> Blend:
    """Of those parts that have a weight."""
    used = {name: share for name, share in weights.items() if share > 0}
    return Blend.of_fitted({name: parts[name] for name in used}, used, normalisation)


def figures(lists: Lists, questions: Questions) -> dict[str, PerPerson]:
    """Metric → one figure a question, NaN where nothing was to be found."""
    hits, counts = hits_of(lists, questions.relevant), np.diff(questions.relevant.indptr)
    return {name: metric(hits, counts) for name, metric in METRICS.items()}


def compared(
    own: Mapping[str, PerPerson], fallback: Mapping[str, PerPerson], person: npt.NDArray[np.integer], *, seed: int
) -> Judged:
    """Figures of the same questions under both. A person counts once, whatever number of questions they have."""
    answered = np.isfinite(own[PRIMARY])
    _, row = np.unique(person[answered], return_inverse=True)
    columns = {
        (which, metric): _by_person(values[metric][answered], row)
        for which, values in (("own", own), ("fallback", fallback))
        for metric in METRICS
    }
    for metric in METRICS:
        columns["difference", metric] = columns["own", metric] - columns["fallback", metric]
    found = dict(zip(columns, intervals(np.column_stack(list(columns.values())), seed=seed), strict=True))
    sides = {which: {metric: found[which, metric] for metric in METRICS} for which in ("own", "fallback", "difference")}
    return Judged(
        int(answered.sum()), len(columns["own", PRIMARY]), sides["own"], sides["fallback"], sides["difference"]
    )


def judge_lists(own: Lists, fallback: Lists, questions: Questions, *, seed: int) -> Judged:
    return compared(figures(own, questions), figures(fallback, questions), questions.person, seed=seed)


def category_lists(
    algorithm: Algorithm, questions: Questions, category: npt.NDArray[np.int32], n_categories: int, *, pool: int
) -> tuple[Lists, csr_array]:
    """The ten categories with the largest sums of scores, over the `pool` best items of each question, and CSR (n, categories) of those wanted.

    category: int32 (n_items,), -1 for none.
    """
    size = block_rows(max(questions.histories.n_items, n_categories))
    parts = [np.empty((0, SHOWN), np.int32)]
    for start in range(0, len(questions), size):
        block = questions.histories.rows(start, start + size)
        best = top_n(algorithm.score(block), pool)
        of_items = np.where(best.items >= 0, category[best.items], -1)
        rows, places = np.nonzero((of_items >= 0) & (best.scores > 0))
        values = best.scores[rows, places]
        sums = summed(rows, of_items[rows, places], values, (len(block), n_categories))
        parts.append(top_n(sums, SHOWN).items)
    return np.concatenate(parts), _in_categories(questions.relevant, category, n_categories)


def best_shares(
    scores: Sequence[Mapping[str, npt.NDArray[np.float32]]],
    questions: Sequence[Questions],
    *,
    shares: Sequence[Mapping[str, float]],
    normalisation: str = "max",
) -> tuple[dict[str, float], float]:
    """Of several mixtures of rankings that are the same for everybody, the one with the largest mean NDCG@10, and that mean.

    scores: for each stretch of time, name → (n_items,), -inf for what is silent.
    """
    best: tuple[dict[str, float], float] = ({}, -1.0)
    for mixture in shares:
        values = [
            figures(same_for_all(mixed(part, mixture, normalisation), asked), asked)[PRIMARY]
            for part, asked in zip(scores, questions, strict=True)
        ]
        value = mean_of(np.concatenate(values))
        if value > best[1]:
            best = (dict(mixture), value)
    return best


def mixed(
    scores: Mapping[str, npt.NDArray[np.float32]], shares: Mapping[str, float], normalisation: str = "max"
) -> npt.NDArray[np.float32]:
    """Σ share · normalised score, as `Blend` has it; -inf where nothing speaks."""
    total = np.zeros((1, len(next(iter(scores.values())))), np.float32)
    for name, share in shares.items():
        if share:
            add_normalised(total, scores[name][None, :], share, normalisation)
    total[total <= 0] = -np.inf
    return total[0]


def same_for_all(scores: npt.NDArray[np.float32], questions: Questions) -> Lists:
    """The ten best of one row of scores, for every question; what it bars or offers by row does not matter here."""
    best = top_n(scores[None, :], SHOWN, allowed=questions.among).items
    return np.broadcast_to(best, (len(questions), SHOWN))


def mean_of(values: PerPerson) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else -1.0


def _by_person(values: PerPerson, row: npt.NDArray[np.integer]) -> PerPerson:
    return np.bincount(row, values) / np.maximum(np.bincount(row), 1)


def _in_categories(relevant: csr_array, category: npt.NDArray[np.int32], n_categories: int) -> csr_array:
    rows = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    of_items = category[relevant.indices]
    kept = of_items >= 0
    keys = np.unique(rows[kept] * n_categories + of_items[kept])
    shape = (relevant.shape[0], n_categories)
    return csr_array((np.ones(len(keys), np.float32), (keys // n_categories, keys % n_categories)), shape=shape)
