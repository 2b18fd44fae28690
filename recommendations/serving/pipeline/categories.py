"""The placement `categories`: the best next categories instead of products."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from recommendations.serving.pipeline.context import COLD_START, Candidates, RecommendationContext
from recommendations.serving.pipeline.reasons import (
    ItemReason,
    choose_category_reason,
    make_catalog_reason,
    make_popular_reason,
)
from recommendations.serving.response import RecommendedCategory

CATEGORY_LEVELS = 2  # steps of the path that make a category
PRODUCTS_PER_CATEGORY = 3


def rank_categories(context: RecommendationContext, candidates: Candidates) -> list[RecommendedCategory]:
    """Return the categories with the largest sum of their candidates' scores, best first."""
    products = context.state.products
    names = {code: _shorten_path(path) for path, code in products.categories.items()}
    sums: dict[str, float] = {}
    rows_by_category: dict[str, list[int]] = {}
    scores = candidates.scores
    if candidates.strategy == COLD_START and len(scores):
        # logarithms of probabilities are below zero, so that a sum would punish large categories
        scores = scores - scores.min()
    for row, score in zip(candidates.rows.tolist(), scores.tolist(), strict=True):
        name = names.get(int(products.category[row]))
        if name:
            sums[name] = sums.get(name, 0.0) + score
            rows_by_category.setdefault(name, []).append(row)
    own_counts = _count_own_interactions(context, names)
    best = sorted(sums, key=lambda name: (-sums[name], name))[: context.request.n]
    return [
        RecommendedCategory(
            name,
            rank,
            sums[name],
            _get_reason(context, candidates, name, own_counts.get(name, 0), rows_by_category[name]),
            [products.product_ids[row] for row in rows_by_category[name][:PRODUCTS_PER_CATEGORY]],
        )
        for rank, name in enumerate(best, start=1)
    ]


def _get_reason(
    context: RecommendationContext, candidates: Candidates, name: str, own_count: int, rows: Sequence[int]
) -> ItemReason | None:
    if not context.request.explain:
        return None
    support = context.state.reason_support
    if candidates.scored is not None and candidates.scored.is_personalized:
        return choose_category_reason(name.rpartition(" > ")[2], own_count, minimum=support.minimum)
    return make_popular_reason() if any(map(support.is_popular, rows)) else make_catalog_reason()


def _count_own_interactions(context: RecommendationContext, names: Mapping[int, str]) -> Counter[str]:
    """Return how often the visitor chose products of each category."""
    history = context.visitor.history
    if history is None:
        return Counter()
    codes, counts = np.unique(context.state.products.category[history.item], return_counts=True)
    totals: Counter[str] = Counter()
    for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
        totals[names.get(code, "")] += count
    return totals


def _shorten_path(path: str) -> str:
    return " > ".join(path.split(" > ")[:CATEGORY_LEVELS])
