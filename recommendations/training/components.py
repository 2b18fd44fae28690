"""What a blend is made of, until issue-wide tuning finds better parameters for a shop."""

from typing import Any

# name in the blend → algorithm and parameters
COMPONENTS: dict[str, dict[str, Any]] = {
    "popularity": {"algorithm": "popularity", "parameters": {"half_life_days": 28.0}},
    "repeat": {"algorithm": "repeat", "parameters": {"half_life_days": 60.0}},
    "item-knn": {"algorithm": "item-knn", "parameters": {"k": 100, "weighting": "tf-idf", "history_weighting": "log"}},
    "user-knn": {"algorithm": "user-knn", "parameters": {"k": 100}},
    "content": {"algorithm": "content", "parameters": {"half_life_days": 60.0}},
}

# what an interaction after the training counts in a history, beside a purchase of 1: not learnt yet, since no clicks are known yet
KIND_WEIGHTS = {"view": 0.2, "click": 0.2, "wishlist": 0.4, "cart": 0.6, "purchase": 1.0}
