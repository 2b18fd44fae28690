"""The placement `categories`: the best next categories instead of products."""

from recommendations.serving.pipeline.context import COLD_START, Candidates, RecommendationContext
from recommendations.serving.pipeline.reasons import ItemReason, make_category_reason, make_popular_reason
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
    best = sorted(sums, key=lambda name: (-sums[name], name))[: context.request.n]
    return [
        RecommendedCategory(
            name,
            rank,
            sums[name],
            _get_reason(context, candidates, name),
            [products.product_ids[row] for row in rows_by_category[name][:PRODUCTS_PER_CATEGORY]],
        )
        for rank, name in enumerate(best, start=1)
    ]


def _get_reason(context: RecommendationContext, candidates: Candidates, name: str) -> ItemReason | None:
    if not context.request.explain:
        return None
    if candidates.scored is not None and candidates.scored.is_personalized:
        return make_category_reason(name.rpartition(" > ")[2])
    return make_popular_reason()


def _shorten_path(path: str) -> str:
    return " > ".join(path.split(" > ")[:CATEGORY_LEVELS])
