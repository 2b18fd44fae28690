"""How well products are ranked that nobody had touched before the cut: the only ones that are found by what they are."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from recommendations.engine import Algorithm, Histories, Interactions, Products
from recommendations.engine.algorithms.base import Attribution, Scores
from recommendations.engine.evaluation.runner import judge
from recommendations.training.data.time_split import Cuts
from recommendations.training.tuning.tuning import AT, SEED, number

METRICS = ("recall", "ndcg")
PEOPLE = 500
BASELINE = "category-popularity"


class CategoryPopularity(Algorithm):
    """score(i) = Σ weight of the interactions with item i; of an item without any the mean of its category, or of all items."""

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
    *, contestants: Mapping[str, Algorithm], past: Interactions, cuts: Cuts, products: Products
) -> dict[str, Any]:
    """{"new", "wanted", "people", "figures"}: new products of the catalogue, those of them wanted in the test part, by how many people.

    figures: name → "new" (ranked among the new products alone) or "all" (among all) → metric@10 → value, low, high. At most PEOPLE
    people, drawn by the seed.
    """
    new = np.bincount(cuts.test.train.item, minlength=past.n_items) == 0
    test = cuts.test.test.subset(new[cuts.test.test.item])
    people = np.unique(test.user)
    found = {"new": int(new.sum()), "wanted": len(np.unique(test.item)), "people": len(people), "figures": {}}
    if not len(people):
        return found
    if len(people) > PEOPLE:
        chosen = np.random.default_rng(SEED).choice(people, PEOPLE, replace=False)
        test = test.subset(np.isin(test.user, chosen))
    ranked = {**contestants, BASELINE: CategoryPopularity().fit(past, products)}
    figures: dict[str, dict[str, Any]] = {name: {} for name in ranked}
    for among, allowed in (("new", new), ("all", None)):
        evaluation = judge(
            algorithms=ranked, train=past, test=test, exclude_seen=False, seed=SEED, ns=(AT,), allowed=allowed
        )
        for name in ranked:
            figures[name][among] = {}
            for metric in METRICS:
                result = evaluation.value(name, metric, AT)
                low, high = (None if end is None else number(end) for end in (result.low, result.high))
                figures[name][among][f"{metric}@{AT}"] = {"value": number(result.value), "low": low, "high": high}
    return {**found, "figures": figures}
