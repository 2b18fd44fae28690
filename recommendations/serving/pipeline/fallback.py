"""Step 3 of a recommendation: replace a placement that has no candidates."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.array_types import Rows
from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.placements import CATEGORIES, POPULAR
from recommendations.serving.pipeline.candidates import (
    LATE,
    NO_MODEL,
    NONE_LEFT,
    NOTHING_KNOWN,
    SWITCHED_OFF,
    find_candidates,
)
from recommendations.serving.pipeline.context import LAST_RESORT, Candidates, RecommendationContext, make_filters
from recommendations.serving.pipeline.scoring import score_by_rank
from recommendations.serving.pipeline.variety.selection import select_distinct
from recommendations.serving.state.model import NO_ROWS
from recommendations.serving.state.product_index import ProductFilters, ProductIndex

FILTERS_DROPPED = "filters"
FILTER_NAMES = ("category", "brand", "price_min", "price_max", "filter")
# why a list is empty, besides the problems of candidates; sent over REST as code of empty_reason
FILTERS, NO_PRODUCTS, END_OF_LIST, RULES, NO_CATEGORIES = (
    "filters",
    "no_products",
    "end_of_list",
    "rules",
    "no_categories",
)
EMPTY_LIST_TEXTS = {
    NO_MODEL: gettext_lazy("No model is active yet."),
    LATE: gettext_lazy("The deadline passed before the products were found."),
    SWITCHED_OFF: gettext_lazy("The placement is turned off, or no better than its fallback."),
    NOTHING_KNOWN: gettext_lazy("Not enough is known about the visitor or the products of the request."),
    NONE_LEFT: gettext_lazy("No product is left that may be shown to this visitor and qualifies for this placement."),
    NO_PRODUCTS: gettext_lazy("No product is left after removing those that must not be shown to this visitor."),
}


class EmptyListReason(NamedTuple):
    """Why a list is empty. filters: the names of the parameters that no product matches."""

    code: str
    text: str
    filters: Sequence[str] = ()


def apply_fallback(context: RecommendationContext, candidates: Candidates) -> Candidates:
    """Return the candidates, or those of the first fallback that has any, with the reason.

    The chain follows each placement's own fallback; after a missed deadline it goes straight to popular products, which are
    scored in advance. The last resort is the catalog itself. A strict request has no fallback, nor has any request if no product
    may be shown.
    """
    requested = candidates.placement
    reason = FILTERS_DROPPED if context.has_relaxed_filters else None
    tried: set[str] = set()
    while True:
        placement = candidates.placement
        if len(candidates.rows):
            if placement != requested or reason == FILTERS_DROPPED:
                candidates.fallback, candidates.fallback_reason = placement, reason
            return candidates
        if context.request.strict or not context.allowed.any():
            return candidates
        reason = reason or candidates.problem
        tried.add(placement)
        is_late = candidates.problem == LATE and placement != POPULAR
        next_placement = POPULAR if is_late else context.get_config(placement).get_fallback()
        if next_placement is None or next_placement in tried:
            break
        candidates = find_candidates(context, next_placement)
    last_resort = find_last_resort(context, context.depth)
    if not len(last_resort.rows):
        return candidates
    last_resort.placement, last_resort.fallback, last_resort.fallback_reason = requested, LAST_RESORT, reason
    return last_resort


def describe_empty_list(context: RecommendationContext, candidates: Candidates) -> EmptyListReason:
    """Return why a response has no items, in the active language."""
    filters = [name for name in FILTER_NAMES if getattr(context.request, name) not in ("", None)]
    if context.offset and context.allowed.any():
        return EmptyListReason(END_OF_LIST, _("There are no more products after this page."))
    if context.request.scenario == CATEGORIES and len(candidates.rows):
        return EmptyListReason(NO_CATEGORIES, _("None of the products that could be shown here has a category."))
    if not context.allowed.any():
        if has_products_without_rules(context):
            return EmptyListReason(RULES, _("Merchandising rules hide every product that could be shown here."))
        if filters and not context.has_relaxed_filters:
            return EmptyListReason(FILTERS, _("No product matches the filters."), filters)
        return EmptyListReason(
            NO_PRODUCTS, _("No product can be shown: there is no active product that is in stock and has a price.")
        )
    code = candidates.problem or NO_PRODUCTS
    if len(context.excluded) and not np.delete(context.allowed, context.excluded[context.excluded >= 0]).any():
        code = NO_PRODUCTS  # the request excludes all that may be shown
    return EmptyListReason(code, str(EMPTY_LIST_TEXTS[code]))


def has_products_without_rules(context: RecommendationContext) -> bool:
    """Return whether a product could be shown if no rule applied; filters count, unless they were dropped."""
    request = context.request
    relaxed = ProductFilters(request.in_stock, priced=True)
    filters = relaxed if context.has_relaxed_filters else make_filters(request, context.now)
    return bool(context.state.products.get_mask(filters).any())


def find_last_resort(context: RecommendationContext, n: int, *, excluded: Rows = NO_ROWS) -> Candidates:
    """Return the products published last, then those without a publication date, the last added first.

    Products that were never sold come after the others, so that a new category or an early shop has full lists.
    """
    rows = list_catalog_rows(context.state.products)
    excluded = np.concatenate([excluded, context.excluded, context.visitor.dismissed, context.get_start_rows()])
    if context.groups is not None:
        excluded = context.groups.expand(excluded)
    rows = rows[context.allowed[rows] & ~are_members(rows, excluded)]
    rows = rows[np.argsort(~context.recommendable[rows], kind="stable")]
    rows, _scores = select_distinct(context, lambda size: (rows[:size], score_by_rank(len(rows[:size]))), n)
    return Candidates(LAST_RESORT, rows, score_by_rank(len(rows)))


def list_catalog_rows(products: ProductIndex) -> Rows:
    """Return all rows, each once: the products published last, then those without a publication date, the last added first."""
    rows = np.concatenate([products.get_newest_rows(), products.get_rows_added_last()])
    _distinct, first = np.unique(rows, return_index=True)
    return rows[np.sort(first)]
