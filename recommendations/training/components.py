"""What the blend is made of. Parameters were chosen on a validation part of the demo shop; a search per shop is to replace them."""

from typing import Any

# name in the blend → algorithm and parameters
COMPONENTS: dict[str, dict[str, Any]] = {
    "popularity": {"algorithm": "popularity", "parameters": {"half_life_days": 90.0}},
    "repeat": {"algorithm": "repeat", "parameters": {"half_life_days": 84.0}},
    "item-knn": {
        "algorithm": "item-knn",
        "parameters": {"k": 100, "weighting": "bm25", "shrinkage": 20.0, "history_half_life_days": 90.0},
    },
    "user-knn": {"algorithm": "user-knn", "parameters": {"k": 30, "weighting": "raw", "half_life_days": 90.0}},
    "content": {"algorithm": "content", "parameters": {"half_life_days": 90.0}},
}

# what an interaction after the training counts in a history beside a purchase of 1; not learnt, since the shop has no clicks yet
KIND_WEIGHTS = {"view": 0.2, "click": 0.2, "wishlist": 0.4, "cart": 0.6, "purchase": 1.0}
