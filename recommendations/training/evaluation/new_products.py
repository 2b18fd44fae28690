"""Ranking quality for products without interactions before the split, which only their attributes can reveal."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from recommendations.engine import Algorithm, Histories, Interactions, Products
from recommendations.engine.algorithms.base import Attribution, Scores
from recommendations.engine.evaluation.runner import evaluate_fitted
from recommendations.training.data.time_split import TimeSplit
from recommendations.training.tuning.model_choice import SEED, TOP_N, round_finite

METRICS = ("recall", "ndcg")
MAX_CUSTOMERS = 500
BASELINE = "category-popularity"


class CategoryPopularity(Algorithm):
    """score(i) = Σ weight of the interactions with item i; without any, the mean of its category, or of all items."""

    name = BASELINE
    fitted = ("counts_",)

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        counts = np.bincount(interactions.item, interactions.weight, interactions.n_items)
        none = np.full(interactions.n_items, -1, np.int32)
        category = none if products is None or products.category is None else products.category
        sums = np.bincount(category + 1, counts)
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
    """Return {"new", "wanted", "people", "figures"}: new products, those bought in the test part, and by how many customers.

    figures: name → "new" (ranked among new products) or "all" (among all) → metric@10 → value, low, high. At most MAX_CUSTOMERS
    customers, sampled by the seed.
    """
    new = np.bincount(time_split.test.train.item, minlength=past.n_items) == 0
    test = time_split.test.test.subset(new[time_split.test.test.item])
    people = np.unique(test.user)
    counts = {"new": int(new.sum()), "wanted": len(np.unique(test.item)), "people": len(people), "figures": {}}
    if not len(people):
        return counts
    if len(people) > MAX_CUSTOMERS:
        chosen = np.random.default_rng(SEED).choice(people, MAX_CUSTOMERS, replace=False)
        test = test.subset(np.isin(test.user, chosen))
    ranked = {**contestants, BASELINE: CategoryPopularity().fit(past, products)}
    figures: dict[str, dict[str, Any]] = {name: {} for name in ranked}
    for among, allowed in (("new", new), ("all", None)):
        evaluation = evaluate_fitted(
            algorithms=ranked, train=past, test=test, exclude_seen=False, seed=SEED, ns=(TOP_N,), allowed=allowed
        )
        for name in ranked:
            figures[name][among] = {}
            for metric in METRICS:
                result = evaluation.value(name, metric, TOP_N)
                low, high = (None if end is None else round_finite(end) for end in (result.low, result.high))
                figures[name][among][f"{metric}@{TOP_N}"] = {
                    "value": round_finite(result.value),
                    "low": low,
                    "high": high,
                }
    return {**counts, "figures": figures}
