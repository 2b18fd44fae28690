"""Repeat purchases against known answers."""

import numpy as np

from recommendations.engine import Interactions, recommend
from recommendations.engine.algorithms.repeat.repeat_purchase import RepeatPurchase

DAY = 86_400.0


def test_most_bought_product_ranks_first():
    interactions = Interactions.from_ids(
        user_ids=["a"] * 6, item_ids=["milk", "tea", "milk", "milk", "tea", "rice"], order=np.arange(6) * DAY
    )
    items = recommend(RepeatPurchase().fit(interactions), interactions.build_histories(), 3, exclude_seen=False).items[
        0
    ]
    assert interactions.items.get_ids(items) == ["milk", "tea", "rice"]


def test_short_half_life_prefers_the_latest_purchase():
    interactions = Interactions.from_ids(
        user_ids=["a"] * 6, item_ids=["milk", "tea", "milk", "milk", "tea", "rice"], order=np.arange(6) * DAY
    )
    model = RepeatPurchase(half_life_days=0.25).fit(interactions)
    items = recommend(model, interactions.build_histories(), 3, exclude_seen=False).items[0]
    assert interactions.items.get_ids(items) == ["rice", "tea", "milk"]
