"""Small data sets with known answers."""

from typing import Any

import numpy as np

from recommendations.engine import ALGORITHMS, Algorithm, IdMap, Interactions, Products
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble

SEED_RATINGS = {"u1": (4, 5, 3), "u2": (3, 4, 5), "u3": (5, 2, 4), "u4": (3, 2, 4), "u5": (5, 3, 4)}


def make_seed_ratings() -> Interactions:
    """Make ratings of five users for three items, with similarities calculated by hand."""
    triples = [
        (user, f"i{number}", rating) for user, row in SEED_RATINGS.items() for number, rating in enumerate(row, 1)
    ]
    users, items, ratings = zip(*triples, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items, weight=ratings)


def make_checkerboard(size: int = 8) -> tuple[Interactions, dict[str, str]]:
    """Make users who buy the products of their color, and return them with the one product withheld from each of four users."""
    withheld = {"u0": "i2", "u1": "i5", "u4": "i6", "u7": "i1"}
    squares = [
        (f"u{user}", f"i{item}")
        for user in range(size)
        for item in range(size)
        if (user + item) % 2 == 0 and withheld.get(f"u{user}") != f"i{item}"
    ]
    users, items = zip(*squares, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items), withheld


def make_random_interactions(*, m: int = 3000, n_users: int = 80, n_items: int = 60, seed: int = 5) -> Interactions:
    """Make purchases with repeats over 200 days; a few products have no purchases."""
    draws = np.random.default_rng(seed)
    users = draws.integers(0, n_users, m)
    items = np.minimum(draws.zipf(1.4, m) - 1 + users % 7, n_items - 5)
    catalog = [f"商品 {item:03d}" for item in range(n_items)]
    return Interactions.from_ids(
        user_ids=[f"user-{user}" for user in users],
        item_ids=[catalog[item] for item in items],
        order=draws.random(m) * 200 * 86_400,
        weight=draws.integers(1, 4, m),
        items=IdMap.of(catalog),
    )


def make_products(n_items: int) -> Products:
    """Make products with English and Chinese titles, three categories and two brands."""
    words = ("red tea", "绿茶 200g", "black coffee", "咖啡豆", "crème brûlée")
    return Products.of_columns(
        {
            "title": [f"{words[item % 5]} {item % 4}" for item in range(n_items)],
            "category": [f"Food > 分类{item % 3}" for item in range(n_items)],
            "brand": [("Acme", "")[item % 2] for item in range(n_items)],
        }
    )


PARAMETERS: dict[str, dict[str, Any]] = {
    "event-types": {
        "component": {"algorithm": "item-knn", "parameters": {"k": 20}},
        "weights": {"purchase": 2.0, "view": 0.1},
        "half_life_days": 100.0,
        "history_weights": {"purchase": 0.5},
        "history_half_life_days": 30.0,
    },
    "rating-blend": {
        "components": {
            name: {"algorithm": name, "parameters": {}}
            for name in ("rating-baseline", "rating-item-knn", "rating-factors")
        }
        | {"plain": {"algorithm": "rating-user-knn", "parameters": {"center": "none"}}},
        "weights": {"rating-baseline": -0.2, "rating-item-knn": 0.5, "rating-factors": 0.6, "plain": 0.1},
        "intercept": 0.05,
    },
    "rating-bpmf": {"factors": 4, "burn_in": 2, "samples": 5, "thinning": 2},
    "repeat-rhythm": {"kinds": None, "half_life_days": 100.0},  # histories without kinds consist of views
    "repeat-ranker": {"kinds": None, "trees": 5, "depth": 3},
    "tifu-knn": {"kinds": None, "group_size": 2, "k": 5},
    "up-cf": {"kinds": None, "window": 3, "k": 5},
    "trending": {"window_days": 60.0, "doubt": 0.5, "least": 0.0},  # random purchases have no trend
    "co-purchase": {"gap_s": 86_400.0, "min_count": 1},  # the random purchases are hours apart
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "repeat-ranker of the next order": (
        "repeat-ranker",
        {"kinds": None, "horizon_days": None, "trees": 5, "candidates": 4},
    ),
    "graph-filter with low-pass": ("graph-filter", {"low_pass_rank": 4, "power": 1.2, "target_exponent": 0.3}),
    "rating-user-knn beyond the baseline": (
        "rating-user-knn",
        {"similarity": "pearson-baseline", "center": "baseline", "shrinkage": 5.0, "damping": 0.1},
    ),
    "rating-bpmf without implicit": ("rating-bpmf", {"implicit": False, "factors": 3, "burn_in": 0, "samples": 2}),
    "rating-factors without implicit": ("rating-factors", {"implicit": False, "factors": 4, "epochs": 5}),
    "ease of the head": ("ease", {"max_items": 40, "k": 20}),
}


def make_algorithm(name: str) -> Algorithm:
    """Make an algorithm with parameters that suit the small test data; VARIANTS are further configurations."""
    if name == "blend":
        return make_weighted_ensemble()
    algorithm, parameters = VARIANTS.get(name, (name, PARAMETERS.get(name, {})))
    return ALGORITHMS[algorithm](**parameters)


def make_weighted_ensemble() -> WeightedEnsemble:
    names = ("popularity", "repeat", "item-knn", "user-knn", "content")
    return WeightedEnsemble({name: {"algorithm": name, "parameters": {}} for name in names})


def make_three() -> Interactions:
    """Make three users: a has x and y, b has y and z, c has z; row sums 2, 2, 1, column sums 1, 2, 2."""
    return Interactions.from_ids(user_ids=list("aabbc"), item_ids=list("xyyzz"))


def make_stars(*, seed: int = 3, n_users: int = 60, n_items: int = 40) -> Interactions:
    """Make ratings of half of all pairs: three stars plus or minus one factor of taste."""
    rng = np.random.default_rng(seed)
    taste = np.outer(rng.choice([-1.0, 1.0], n_users), rng.choice([-1.5, 1.5], n_items))
    user, item = np.nonzero(rng.random((n_users, n_items)) < 0.5)
    return Interactions.from_ids(user_ids=user, item_ids=item, weight=np.clip(3 + taste[user, item], 1, 5))
