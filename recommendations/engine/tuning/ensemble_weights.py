"""Chooses the weights of a weighted ensemble by coordinate search on validation data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import Algorithm
from recommendations.engine.algorithms.ensembles.weighted_ensemble import add_normalized
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.evaluation.bootstrap import ConfidenceInterval, estimate_intervals
from recommendations.engine.evaluation.ranking_metrics.hits import PerUser, find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.runner import find_relevant_items
from recommendations.engine.topn import count_block_rows, find_tie_breaks, select_top_n

STEPS = (0.0, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5)
type HasTime = Callable[[], bool]
MIN_USERS = 100  # with fewer, a bootstrap interval is too narrow to decide what to drop


def always_has_time() -> bool:
    return True


@dataclass(frozen=True)
class ChosenWeights:
    """weights sum to 1; `value` is their mean NDCG@n on the validation data, `single` that of each component alone.

    dropped: component → how much NDCG@n the ensemble lost without it; only components that were dropped because this loss was not
    beyond chance.
    """

    weights: dict[str, float]
    value: float
    single: dict[str, float]
    dropped: dict[str, ConfidenceInterval] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _CandidateScores:
    """features: float32 (components, users, candidates) of normalized scores; hits: bool (users, candidates).

    The candidates of each user are in a random order, so that the lower column first is a random order of equal scores.
    """

    features: npt.NDArray[np.float32]
    hits: npt.NDArray[np.bool_]
    relevant: npt.NDArray[np.integer]
    n: int

    def compute_mean(self, scores: npt.NDArray[np.float32]) -> float:
        return float(np.nanmean(self.compute_values(scores)))

    def mix(self, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the weighted sum of the components, float32 (users, candidates)."""
        scores = np.zeros(self.features.shape[1:], np.float32)
        for index in np.flatnonzero(weights):
            scores += weights[index] * self.features[index]
        return scores

    def compute_values(self, scores: npt.NDArray[np.float32]) -> PerUser:
        """Return NDCG@n of each user if the candidates are ranked by these scores; those of 0 have none."""
        best = select_top_n(np.where(scores > 0, scores, np.float32(-np.inf)), self.n).items
        hits = np.take_along_axis(self.hits, np.maximum(best, 0), axis=1) & (best >= 0)
        return ndcg(hits, self.relevant)


def choose_weights(
    *,
    components: Mapping[str, Algorithm],
    train: Interactions,
    validation: Interactions,
    exclude_seen: bool,
    seed: int,
    seen_kinds: Sequence[int] | None = None,
    n: int = 10,
    normalization: str = "max",
    max_users: int = 1000,
    depth: int = 100,
    steps: Sequence[float] = STEPS,
    rounds: int = 3,
    drop_unhelpful: bool = False,
    has_time: HasTime = always_has_time,
) -> ChosenWeights:
    """Return the weights for `WeightedEnsemble` with the largest mean NDCG@n over at most `max_users` validation users.

    components are fitted on train. Each user's candidates are the best `depth` of every component. From the best single component,
    and again from equal weights, one weight after the other is set to the step that improves most, until a round changes nothing. The
    better end is returned, so the result is never worse than the best component on the validation data. drop_unhelpful: see
    `tune_ensemble_weights`.
    """
    users = np.unique(validation.user)
    if len(users) > max_users:
        users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
    return tune_ensemble_weights(
        components=components,
        histories=train.build_histories(users),
        relevant=find_relevant_items(validation, train, users, exclude_seen, seen_kinds),
        exclude_seen=exclude_seen,
        seen_kinds=seen_kinds,
        n=n,
        normalization=normalization,
        depth=depth,
        steps=steps,
        rounds=rounds,
        drop_unhelpful=drop_unhelpful,
        seed=seed,
        has_time=has_time,
    )


def tune_ensemble_weights(
    *,
    components: Mapping[str, Algorithm],
    histories: Histories,
    relevant: csr_array,
    exclude_seen: bool,
    seen_kinds: Sequence[int] | None = None,
    n: int = 10,
    normalization: str = "max",
    depth: int = 100,
    steps: Sequence[float] = STEPS,
    rounds: int = 3,
    excluded: csr_array | None = None,
    offered: csr_array | None = None,
    drop_unhelpful: bool = False,
    user: npt.NDArray[np.integer] | None = None,
    seed: int = 0,
    has_time: HasTime = always_has_time,
) -> ChosenWeights:
    """Choose the weights for any histories, of which row r should lead to the stored columns of row r of `relevant`.

    excluded: CSR of further columns to leave out of each row; offered: CSR of the only columns that may appear in each row.
    drop_unhelpful: with at least MIN_USERS users, drop components without which the ensemble does not lose NDCG@n beyond chance (paired
    bootstrap over users), the least helpful first, and choose the weights again after each. user: of each row, by default all different.
    has_time: whether the search may go on; without time the weights reached so far stay, and components that do not help are still dropped.
    """
    masks = _QueryMasks(exclude_seen, seen_kinds, excluded, offered)
    candidates = _collect_candidates(components, histories, relevant, masks, n, normalization, depth, seed)
    names = list(components)
    single_values = [candidates.compute_mean(scores) for scores in candidates.features]
    # Two starts, because a coordinate search from one component alone may end at a local maximum.
    starts = (np.eye(len(names), dtype=np.float32)[int(np.argmax(single_values))], np.ones(len(names), np.float32))
    climbs = [_climb(candidates, start, steps, rounds, has_time) for start in starts]
    weights, value = max(climbs, key=lambda result: result[1])
    dropped: dict[str, ConfidenceInterval] = {}
    groups = np.arange(len(histories)) if user is None else user
    while drop_unhelpful and (useless := _find_unhelpful(candidates, weights, groups, seed)) is not None:
        index, dropped[names[index]] = useless
        reduced = weights.copy()
        reduced[index] = 0
        weights, value = _climb(candidates, reduced, steps, rounds, has_time, free=np.flatnonzero(reduced))
    shares = weights / weights.sum()
    return ChosenWeights(
        {name: round(float(share), 4) for name, share in zip(names, shares, strict=True)},
        value,
        dict(zip(names, single_values, strict=True)),
        dropped,
    )


def evaluate_without_each(
    *,
    components: Mapping[str, Algorithm],
    weights: Mapping[str, float],
    histories: Histories,
    relevant: csr_array,
    exclude_seen: bool,
    seen_kinds: Sequence[int] | None = None,
    n: int = 10,
    normalization: str = "max",
    depth: int = 100,
    seed: int = 0,
) -> dict[str, PerUser]:
    """Return NDCG@n of each history under the ensemble ("": whole) and under it without each component that has a weight.

    Ranks the best `depth` items of every component, as when the weights are chosen. seed: of the order of equal scores.
    """
    used = {name: components[name] for name, weight in weights.items() if weight > 0}
    masks = _QueryMasks(exclude_seen, seen_kinds)
    candidates = _collect_candidates(used, histories, relevant, masks, n, normalization, depth, seed)
    all_weights = np.array([weights[name] for name in used], np.float32)
    values = {"": candidates.compute_values(candidates.mix(all_weights))}
    for index, name in enumerate(used):
        reduced = all_weights.copy()
        reduced[index] = 0.0
        values[name] = candidates.compute_values(candidates.mix(reduced))
    return values


def _find_unhelpful(
    candidates: _CandidateScores, weights: npt.NDArray[np.float32], user: npt.NDArray[np.integer], seed: int
) -> tuple[int, ConfidenceInterval] | None:
    """Return the component with the smallest loss among those whose loss is not beyond chance, and that loss; None if all help.

    The other weights stay as they are, so a component that the others cannot replace is never dropped.
    """
    used = np.flatnonzero(weights)
    whole = candidates.compute_values(candidates.mix(weights))
    has_value = np.isfinite(whole)
    _, row = np.unique(user[has_value], return_inverse=True)
    counts = np.bincount(row)
    if len(used) < 2 or len(counts) < MIN_USERS:
        return None
    columns = []
    for index in used:
        reduced = weights.copy()
        reduced[index] = 0
        lost = whole[has_value] - candidates.compute_values(candidates.mix(reduced))[has_value]
        columns.append(np.bincount(row, lost) / counts)
    losses = estimate_intervals(np.column_stack(columns), seed=seed)
    useless = [position for position, loss in enumerate(losses) if not loss.low > 0]
    if not useless:
        return None
    worst = min(useless, key=lambda position: losses[position].value)
    return int(used[worst]), losses[worst]


def _climb(
    candidates: _CandidateScores,
    weights: npt.NDArray[np.float32],
    steps: Sequence[float],
    rounds: int,
    has_time: HasTime,
    *,
    free: npt.NDArray[np.intp] | None = None,
) -> tuple[npt.NDArray[np.float32], float]:
    """Set one weight after the other to the step that improves most, until a round changes nothing; free: those that may change.

    Without time left, the weights reached so far are returned.
    """
    value = candidates.compute_mean(candidates.mix(weights))
    for _ in range(rounds):
        before = value
        for index in range(len(weights)) if free is None else free.tolist():
            if not has_time():
                return weights, value
            others = weights.copy()
            others[index] = 0
            # Only one weight changes, so the scores of the others are summed once.
            base, own = candidates.mix(others), candidates.features[index]
            for step in steps:
                trial = others.copy()
                trial[index] = step
                trial_value = candidates.compute_mean(base + np.float32(step) * own) if trial.any() else -1.0
                if trial_value > value:
                    weights, value = trial, trial_value
        if value == before:
            break
    return weights, value


@dataclass(frozen=True, eq=False)
class _QueryMasks:
    """The items that each row may show."""

    exclude_seen: bool
    seen_kinds: Sequence[int] | None = None
    excluded: csr_array | None = None
    offered: csr_array | None = None

    def of(self, block: Histories, rows: slice) -> tuple[csr_array | None, npt.NDArray[np.bool_] | None]:
        """Return CSR of the items excluded from the rows of a block, and a dense mask of those offered."""
        excluded = block.get_seen_items(self.seen_kinds) if self.exclude_seen else None
        if self.excluded is not None:
            row_exclusions = self.excluded[rows]
            excluded = row_exclusions if excluded is None else csr_array(excluded + row_exclusions)
        if self.offered is None:
            return excluded, None
        return excluded, self.offered[rows].toarray() > 0


def _collect_candidates(
    components: Mapping[str, Algorithm],
    histories: Histories,
    relevant: csr_array,
    masks: _QueryMasks,
    n: int,
    normalization: str,
    depth: int,
    seed: int,
) -> _CandidateScores:
    """Return the scores of the best items of every component.

    Scores of all items, users and components would not fit into memory, and items below the best `depth` of every
    component are rarely among the best n. Equal scores have a random order, the same for all components and weights: the order of the
    catalog would reward components whose ties happen to be sorted well.
    """
    width = min(depth * len(components), histories.n_items)
    features = np.zeros((len(components), len(histories), width), np.float32)
    items = np.full((len(histories), width), -1, np.int32)
    size = max(1, count_block_rows(histories.n_items) // len(components))
    for start in range(0, len(histories), size):
        block = histories.slice_rows(start, start + size)
        rows = slice(start, start + len(block))
        excluded, offered = masks.of(block, rows)
        items[rows], features[:, rows] = _collect_block_candidates(
            components, block, excluded, offered, normalization, depth, width, seed=seed, first_row=start
        )
    return _CandidateScores(features, find_hits(items, relevant), np.diff(relevant.indptr), n)


def _collect_block_candidates(
    components: Mapping[str, Algorithm],
    block: Histories,
    excluded: csr_array | None,
    offered: npt.NDArray[np.bool_] | None,
    normalization: str,
    depth: int,
    width: int,
    *,
    seed: int,
    first_row: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the union of each component's best items, in random order and padded with -1, and all their normalized scores."""
    normalized_scores, tops = [], []
    for component in components.values():
        normalized = np.zeros((len(block), block.n_items), np.float32)
        scores = component.score(block)
        add_normalized(normalized, scores, 1.0, normalization)
        normalized_scores.append(normalized)
        ranked = scores if offered is None else np.where(offered & (normalized > 0), normalized, np.float32(-np.inf))
        tops.append(select_top_n(ranked, depth, exclude=excluded, tie_seed=seed, first_row=first_row).items)
    # In sorted rows duplicates are neighbors.
    union = np.sort(np.concatenate(tops, axis=1), axis=1)
    union[:, 1:][union[:, 1:] == union[:, :-1]] = -1
    keys = find_tie_breaks(union, tie_seed=seed, first_row=first_row)
    keys[union < 0] = np.iinfo(np.int64).max
    items = np.take_along_axis(union, np.argsort(keys, axis=1)[:, :width], axis=1)
    features = np.stack(
        [np.take_along_axis(normalized, np.maximum(items, 0), axis=1) for normalized in normalized_scores]
    )
    features[:, items < 0] = 0
    return items, features
