"""Ranking quality for products without interactions before the split, which can only be ranked by their attributes."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from recommendations.engine import Algorithm, Histories, Interactions, Products
from recommendations.engine.algorithms.base import Attribution, Scores
from recommendations.engine.evaluation.runner import evaluate_fitted
from recommendations.training.data.time_split import TimeSplit
from recommendations.training.figures import serialize_interval
from recommendations.training.tuning.model_choice import SEED, TOP_N

METRICS = ("recall", "ndcg")
MAX_USERS = 500
BASELINE = "category-popularity"


class CategoryPopularity(Algorithm):
    """score(i) = Σ weight of the interactions with item i; without any, the mean of its category, or of all items."""

    name = BASELINE
    fitted = ("counts_",)

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        counts = np.bincount(interactions.item, interactions.weight, interactions.n_items)
        no_category = np.full(interactions.n_items, -1, np.int32)
        category = no_category if products is None or products.category is None else products.category
        sums = np.bincount(category + 1, counts)  # bin 0: the items without a category
        means = sums / np.maximum(np.bincount(category + 1), 1)
        means[0] = counts.mean()
        self.counts_ = np.where(counts > 0, counts, means[category + 1]).astype(np.float32)
        return self

    def score(self, histories: Histories) -> Scores:
        self.require_histories(histories, len(self.counts_))
        return np.broadcast_to(self.counts_, (len(histories), len(self.counts_)))

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        return [Attribution(self.name, np.array([-1], np.int32), self.counts_[None, list(items)])]


def measure_new_products(
    *, contestants: Mapping[str, Algorithm], past: Interactions, time_split: TimeSplit, products: Products
) -> dict[str, Any]:
    """Return {"new", "wanted", "people", "figures"}.

    new: number of new products; wanted: number of those that were bought in the test part; people: number of customers who bought them.
    figures: name → "new" (ranked among new products) or "all" (among all) → metric@10 → value, low, high. At most
    MAX_USERS customers, sampled by the seed.
    """
    is_new = np.bincount(time_split.test.train.item, minlength=past.n_items) == 0
    test = time_split.test.test.select(is_new[time_split.test.test.item])
    users = np.unique(test.user)
    counts = {"new": int(is_new.sum()), "wanted": len(np.unique(test.item)), "people": len(users), "figures": {}}
    if not len(users):
        return counts
    if len(users) > MAX_USERS:
        sampled = np.random.default_rng(SEED).choice(users, MAX_USERS, replace=False)
        test = test.select(np.isin(test.user, sampled))
    algorithms = {**contestants, BASELINE: CategoryPopularity().fit(past, products)}
    figures: dict[str, dict[str, Any]] = {name: {} for name in algorithms}
    # Nothing is excluded as seen: no user has interacted with a new product before the split.
    for among, allowed in (("new", is_new), ("all", None)):
        evaluation = evaluate_fitted(
            algorithms=algorithms, train=past, test=test, exclude_seen=False, seed=SEED, ns=(TOP_N,), allowed=allowed
        )
        for name in algorithms:
            figures[name][among] = {
                f"{metric}@{TOP_N}": serialize_interval(evaluation.get_result(name, metric, TOP_N))
                for metric in METRICS
            }
    return {**counts, "figures": figures}
