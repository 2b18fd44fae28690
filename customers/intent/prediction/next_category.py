"""Predicts the category of the next event of a session from the categories so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from customers.intent.prediction.labels import CategorySteps
from customers.intent.prediction.session_events import EventKind
from customers.intent.prediction.transition_counts import (
    ContextCounts,
    TransitionCounts,
    count_transitions,
    look_up,
)

MIN_STEPS = 200  # fewer transitions before the validation period: only what is popular is predicted
MAX_LAGS = 20  # how many categories of the session before the last one count
TOP_FOLLOWERS = 30
TOP_POPULAR = 10
PRIOR_STEPS = (
    20.0  # pseudo-steps at the rate of all event types, added to each type so that rare types are shrunk towards it
)
WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9)  # of the categories of the session itself
DECAYS = (0.2, 0.4, 0.6, 0.8)
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)  # of the shorter context
MAX_CHOICE_ROWS = 50_000
CHUNK = 20_000
COUNT_PARTS = ("keys", "counts", "total", "distinct")
FEW_STEPS = "few_categories"


@dataclass(frozen=True, eq=False)
class SessionCategoryModel:
    """Predicts the same category again with P(same | type of the last event), and otherwise another one by its share of Q(c), c ≠ last.

    Q(c | the last two categories) is interpolated with Q(c | the last one), and that with Q₀(c); see `ContextCounts.interpolate`.
    Q₀(c) = (1 − w) · popularity of c + w · share of c in the session, weighted by decay^(events ago).

    Attributes:
        popularity: (C,). same: (kinds,), P(same | type of the last event). reason: why only popularity counts; empty otherwise.
        pairs: last · C + category before it of each context of two, ascending.
    """

    popularity: Floats
    same: Floats
    one: TransitionCounts
    pairs: Ints
    two: TransitionCounts
    top_followers: Ints
    weight: float = 0.0
    decay: float = DECAYS[0]
    strength: float = 1.0
    reason: str = ""

    @property
    def n_categories(self) -> int:
        return len(self.popularity)

    def rank(self, categories: Sequence[int], last_kind: int, limit: int) -> list[tuple[int, float]]:
        """Return the most probable next categories of one session and their probabilities; ``categories`` are those so far.

        last_kind: of the event with the last category.
        """
        if self.reason or not len(categories):
            best = np.argsort(-self.popularity, kind="stable")[:limit]
            return [(int(category), float(self.popularity[category])) for category in best]
        history = np.array(categories[-MAX_LAGS - 1 :], np.int64)
        zeros = np.zeros(len(history), np.int64)
        steps = CategorySteps(zeros, history, zeros, np.full(len(history), last_kind))
        _row, category, probability = self.score_candidates(steps, np.array([len(history) - 1]))
        best = np.lexsort((category, -probability))[:limit]
        return [(int(category[at]), float(probability[at])) for at in best]

    def score_candidates(self, steps: CategorySteps, rows: Ints) -> tuple[Ints, Ints, Floats]:
        """Return (row, category, probability) of the candidates at some steps; ``row`` counts from 0.

        Candidates are categories that have followed the last ones before, are in the session, or are popular.
        """
        context = SessionContext(steps, rows, self.n_categories, self.decay)
        pair = self.find_pairs(context)
        top = self.top_followers[context.last]
        row, column = np.nonzero(top >= 0)
        parts = [(row, top[row, column]), self.two.list_followers(pair), (context.owner, context.shared)]
        popular = np.argsort(-self.popularity, kind="stable")[:TOP_POPULAR]
        parts.append((np.repeat(np.arange(len(rows)), len(popular)), np.tile(popular, len(rows))))
        candidates = np.unique(np.concatenate([owner * self.n_categories + category for owner, category in parts]))
        owner, category = np.divmod(candidates, self.n_categories)
        probability = self.collect_evidence(context, pair, owner, category).predict(self.weight, self.strength)
        # the last category is in the session, so it is a candidate of its row
        is_last = category == context.last[owner]
        again = np.zeros(len(rows))
        again[owner[is_last]] = probability[is_last]
        same = self.same[steps.kind[rows]][owner]
        other = (1 - same) * probability / np.maximum(1 - again[owner], 1e-12)
        return owner, category, np.where(is_last, same, other)

    def collect_evidence(
        self, context: "SessionContext", pair: Ints, owner: Ints, category: Ints
    ) -> "CategoryEvidence":
        """Return the evidence for some categories, each for the row ``owner`` of the context."""
        return CategoryEvidence(
            popularity=self.popularity[category],
            share=context.look_up_share(owner, category),
            one=self.one.look_up(context.last[owner], category),
            two=self.two.look_up(pair[owner], category),
        )

    def find_pairs(self, context: "SessionContext") -> Ints:
        """Return the row number of the last two categories among the contexts of two, -1 if they were never seen."""
        if not len(self.pairs):
            return np.full(len(context.last), -1)
        wanted = context.last * self.n_categories + context.before
        at = np.minimum(np.searchsorted(self.pairs, wanted), len(self.pairs) - 1)
        return np.where((context.before >= 0) & (self.pairs[at] == wanted), at, -1)


@dataclass(frozen=True, eq=False)
class CategoryEvidence:
    """The evidence for some categories, (q,): popularity, share in the session, and counts after the last category and the last two."""

    popularity: Floats
    share: Floats
    one: ContextCounts
    two: ContextCounts

    def predict(self, weight: float, strength: float) -> Floats:
        """Return the probabilities."""
        base = (1 - weight) * self.popularity + weight * self.share
        return self.two.interpolate(self.one.interpolate(base, strength), strength)


class SessionContext:
    """The categories of a session so far, at some steps.

    Attributes:
        last, before: (q,), the last category and the one before it, -1 without one. owner, shared, share: the categories of each row's
            session, and their shares, which add up to 1.
    """

    def __init__(self, steps: CategorySteps, rows: Ints, n_categories: int, decay: float) -> None:
        self.n_categories = n_categories
        owners, categories, weights = [], [], []
        for lag in range(MAX_LAGS + 1):
            earlier = np.maximum(rows - lag, 0)
            is_same = (rows >= lag) & (steps.session[earlier] == steps.session[rows])
            owners.append(np.flatnonzero(is_same))
            categories.append(steps.category[earlier[is_same]])
            weights.append(np.full(len(owners[-1]), decay**lag))
            if lag == 0:
                self.last = steps.category[rows]
            if lag == 1:
                self.before = np.where(is_same, steps.category[earlier], -1)
            if not is_same.any():
                break
        owner, weight = np.concatenate(owners), np.concatenate(weights)
        self.keys, index = np.unique(owner * n_categories + np.concatenate(categories), return_inverse=True)
        self.owner, self.shared = np.divmod(self.keys, n_categories)
        share = np.bincount(index, weight)
        self.share = share / np.bincount(self.owner, share)[self.owner]

    def look_up_share(self, owner: Ints, category: Ints) -> Floats:
        """Return the share of categories in the session of each owner, 0 for one that is not in it."""
        return look_up(self.keys, self.share, owner * self.n_categories + category)


def find_transitions(steps: CategorySteps) -> Ints:
    """Return the rows of the steps that are followed by another one in their session."""
    return np.flatnonzero(steps.session[1:] == steps.session[:-1])


def fit_next_category(
    steps: CategorySteps, n_categories: int, *, training: Flags, validation: Flags
) -> SessionCategoryModel:
    """Fit the counts on the training steps, and choose weight and decay by the likelihood of the validation steps.

    training, validation: (s,), whether a step belongs to a session of that period.
    """
    rows = find_transitions(steps)
    fitted, validated = rows[training[rows]], rows[validation[rows]]
    model = count_steps(steps, fitted, n_categories)
    if len(fitted) < MIN_STEPS or not len(validated):
        return replace_settings(model, reason=FEW_STEPS)
    settings = choose_settings(model, steps, validated)
    return replace_settings(count_steps(steps, np.concatenate((fitted, validated)), n_categories), **settings)


def choose_settings(model: SessionCategoryModel, steps: CategorySteps, rows: Ints) -> dict[str, float]:
    """Return decay, weight and strength with the largest likelihood of the next categories at some steps."""
    # how often the category stays the same does not depend on these settings
    rows = rows[steps.category[rows + 1] != steps.category[rows]]
    if not len(rows):
        return {}
    rows = rows[:: -(-len(rows) // MAX_CHOICE_ROWS)]
    pair, everyone = None, np.arange(len(rows))
    best: tuple[float, float, float, float] = (-np.inf, DECAYS[0], 0.0, 1.0)
    for decay in DECAYS:
        context = SessionContext(steps, rows, model.n_categories, decay)
        pair = model.find_pairs(context) if pair is None else pair
        evidence = model.collect_evidence(context, pair, everyone, steps.category[rows + 1])
        again = model.collect_evidence(context, pair, everyone, context.last)
        for weight, strength in product(WEIGHTS, STRENGTHS):
            share = evidence.predict(weight, strength) / np.maximum(1 - again.predict(weight, strength), 1e-12)
            likelihood = float(np.log(np.maximum(share, 1e-12)).mean())
            best = max(best, (likelihood, decay, weight, strength))
    return {"decay": best[1], "weight": best[2], "strength": best[3]}


@dataclass(frozen=True)
class CategoryQuality:
    """How often the next category was predicted, on held-out steps.

    Attributes:
        accuracy, hit_3: the share of steps whose next category was the first one predicted, or among the first three. last, popular: the
            accuracy of always predicting the same category again, and of always predicting the most popular one.
    """

    steps: int
    accuracy: float
    hit_3: float
    last: float
    popular: float


def evaluate_next_category(model: SessionCategoryModel, steps: CategorySteps, rows: Ints) -> CategoryQuality | None:
    """Evaluate the model on transitions that it was not fitted to; None without any."""
    if not len(rows):
        return None
    actual = steps.category[rows + 1]
    top = predict_top(model, steps, rows, limit=3)
    return CategoryQuality(
        steps=len(rows),
        accuracy=float(np.mean(top[:, 0] == actual)),
        hit_3=float(np.mean((top == actual[:, None]).any(axis=1))),
        last=float(np.mean(steps.category[rows] == actual)),
        popular=float(np.mean(actual == np.argmax(model.popularity))),
    )


def predict_top(
    model: SessionCategoryModel, steps: CategorySteps, rows: Ints, *, limit: int, without_seen: bool = False
) -> Ints:
    """Return the most probable next categories at some steps, (q, limit), -1 where there are fewer.

    without_seen: leave out the categories that are among the last ones of the session.
    """
    top = np.full((len(rows), limit), -1, np.int64)
    if model.reason:
        top[:] = np.resize(np.argsort(-model.popularity, kind="stable")[:limit], limit)
        return top
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        owner, category, probability = model.score_candidates(steps, part)
        if without_seen:
            seen = SessionContext(steps, part, model.n_categories, model.decay).look_up_share(owner, category) > 0
            owner, category, probability = owner[~seen], category[~seen], probability[~seen]
        order = np.lexsort((category, -probability, owner))
        owner, category = owner[order], category[order]
        rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
        is_top = rank < limit
        top[start + owner[is_top], rank[is_top]] = category[is_top]
    return top


def to_arrays(model: SessionCategoryModel) -> dict[str, np.ndarray]:
    """Return everything that has to be stored."""
    arrays: dict[str, np.ndarray] = {name: getattr(model, name) for name in ("popularity", "same", "pairs")}
    for name, counts in (("one", model.one), ("two", model.two)):
        arrays |= {f"{name}_{part}": getattr(counts, part) for part in COUNT_PARTS}
    return arrays | {name: np.array(getattr(model, name)) for name in ("weight", "decay", "strength", "reason")}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> SessionCategoryModel:
    """Rebuild the model. Errors: KeyError for missing arrays."""
    n_categories = len(arrays["popularity"])

    def read(name: str) -> TransitionCounts:
        keys, counts, total, distinct = (arrays[f"{name}_{part}"] for part in COUNT_PARTS)
        return TransitionCounts(keys, counts, total, distinct, n_categories)

    one = read("one")
    return SessionCategoryModel(
        popularity=arrays["popularity"],
        same=arrays["same"],
        one=one,
        pairs=arrays["pairs"],
        two=read("two"),
        top_followers=one.list_top_followers(TOP_FOLLOWERS),
        weight=float(arrays["weight"]),
        decay=float(arrays["decay"]),
        strength=float(arrays["strength"]),
        reason=str(arrays["reason"]),
    )


def count_steps(steps: CategorySteps, rows: Ints, n_categories: int) -> SessionCategoryModel:
    """Count transitions at some steps."""
    last, following = steps.category[rows], steps.category[rows + 1]
    seen = np.bincount(following, minlength=n_categories) + 0.5
    one = count_transitions(last, following, n_categories, n_categories)
    earlier = np.maximum(rows - 1, 0)
    has_before = (rows > 0) & (steps.session[earlier] == steps.session[rows])
    keys = last[has_before] * n_categories + steps.category[earlier[has_before]]
    pairs, context = np.unique(keys, return_inverse=True)
    two = count_transitions(context, following[has_before], len(pairs), n_categories)
    top = one.list_top_followers(TOP_FOLLOWERS)
    return SessionCategoryModel(seen / seen.sum(), count_same(steps, rows), one, pairs, two, top)


def count_same(steps: CategorySteps, rows: Ints) -> Floats:
    """Return how often the next category was the same after each event type, shrunk towards the rate of all types, (kinds,)."""
    is_same = steps.category[rows] == steps.category[rows + 1]
    overall = (is_same.sum() + 0.5) / (len(rows) + 1.0)
    kind, kinds = steps.kind[rows], len(EventKind)
    same, total = np.bincount(kind, is_same, kinds), np.bincount(kind, minlength=kinds)
    return (same + PRIOR_STEPS * overall) / (total + PRIOR_STEPS)


def replace_settings(model: SessionCategoryModel, **changes: Any) -> SessionCategoryModel:
    return SessionCategoryModel(**{**vars(model), **changes})
