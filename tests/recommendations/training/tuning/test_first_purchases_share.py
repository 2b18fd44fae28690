from types import SimpleNamespace

import numpy as np
import pytest

from recommendations.engine import ALGORITHMS, Interactions
from recommendations.engine.evaluation import Split
from recommendations.training.tuning.first_purchases_share import NEW_PRODUCTS_SHARE, add_first_purchases

NAMES = ("repeat", "popularity", "item-knn", "content")


@pytest.fixture(scope="module")
def past() -> Interactions:
    """Return customers who buy x and y, or v and w; ann lacks y."""
    rows = [(name, item) for name in ("ben", "cem", "dan") for item in "xy"] + [
        ("eva", "v"),
        ("eva", "w"),
        ("ann", "x"),
    ]
    users, items = zip(*rows, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items, order=np.arange(len(rows), dtype=float))


def add(
    past: Interactions, weights: dict[str, float], *, exclude_seen: bool = False, bought: str = "y"
) -> dict[str, float]:
    later = Interactions.from_ids(
        user_ids=["ann"], item_ids=[bought], order=[100.0], users=past.users, items=past.items
    )
    session = SimpleNamespace(
        split=SimpleNamespace(exclude_seen=exclude_seen, seen_kinds=[4]),
        sample=Split(past, later),
        evaluated_users=past.users.get_rows(["ann"]),
    )
    fitted = {name: ALGORITHMS[name]().fit(past) for name in NAMES if name != "content"}
    return add_first_purchases(session, fitted, past, weights)


def test_the_best_on_first_purchases_gets_a_share_if_only_own_purchases_and_popularity_count(
    past: Interactions,
) -> None:
    assert add(past, {"repeat": 0.6, "popularity": 0.2}) == pytest.approx(
        {
            "repeat": 0.75 * (1 - NEW_PRODUCTS_SHARE),
            "popularity": 0.25 * (1 - NEW_PRODUCTS_SHARE),
            "item-knn": NEW_PRODUCTS_SHARE,
        }
    )


def test_weights_stay_if_a_component_ranks_new_products_for_the_customer(past: Interactions) -> None:
    assert add(past, {"repeat": 0.6, "item-knn": 0.4}) == {"repeat": 0.6, "item-knn": 0.4}


def test_weights_stay_where_purchased_products_are_not_shown(past: Interactions) -> None:
    assert add(past, {"popularity": 1.0}, exclude_seen=True) == {"popularity": 1.0}


def test_weights_stay_if_no_component_finds_a_first_purchase(past: Interactions) -> None:
    assert add(past, {"repeat": 1.0}, bought="w") == {"repeat": 1.0}
