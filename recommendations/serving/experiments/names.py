"""The kinds of experiments that serving knows, and the names of their settings."""

from recommendations.engine.placements import (
    BOUGHT_TOGETHER,
    BUY_AGAIN,
    CART,
    CATEGORIES,
    FOR_YOU,
    RECENTLY_VIEWED,
    SIMILAR,
)

PLACEMENT, SEARCH_ORDER, HOLDOUT = "placement", "search_order", "holdout"
RULES = "rules"  # whether merchandising rules apply
POPULARITY, PERSONAL = "popularity", "personal"  # exponents of the search order
# what the model or the visitor's behavior decides; popular, trending and new products are the same for everyone
HELD_OUT_PLACEMENTS = (FOR_YOU, SIMILAR, BOUGHT_TOGETHER, CART, BUY_AGAIN, RECENTLY_VIEWED, CATEGORIES)
SEARCH, RANK = "search", "rank"  # scenarios of impressions that are not placements
HELD_OUT_SCENARIOS = frozenset({*HELD_OUT_PLACEMENTS, SEARCH, RANK})
