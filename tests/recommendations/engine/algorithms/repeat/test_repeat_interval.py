from dataclasses import replace

import numpy as np
import pytest

from recommendations.engine import KIND_CODES, Interactions, NothingToLearnError, restore
from recommendations.engine.algorithms.repeat.ranker_samples import measure_product_features
from recommendations.engine.algorithms.repeat.repeat_interval import RepurchaseInterval

DAY = 86_400.0


def make_purchases() -> Interactions:
    """All users buy milk every 7 and soap every 56 days; ann last bought both on day 168, ben milk on day 168 and a lamp once."""
    rows = [
        (name, item, day)
        for name in ("ann", "ben", "cem", "dora")
        for item, gap in (("milk", 7), ("soap", 56))
        for day in range(0, 169, gap)
    ]
    rows.append(("ben", "lamp", 168))
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items, order=np.array(days) * DAY, as_of=169 * DAY)


def score_at(model: RepurchaseInterval, interactions: Interactions, day: float) -> dict[str, float]:
    histories = replace(interactions.build_histories(np.array([1])), as_of=day * DAY)
    row = model.score(histories).toarray()[0]
    return {item: float(row[interactions.items.get_row(item)]) for item in ("milk", "soap", "lamp")}


def test_score_rises_until_due_and_falls_when_overdue() -> None:
    interactions = make_purchases()
    model = RepurchaseInterval(horizon_days=7.0).fit(interactions)
    fresh, due, late = (score_at(model, interactions, day) for day in (169, 168 + 50, 168 + 600))
    assert fresh["milk"] > 0.5 > fresh["soap"]
    assert due["soap"] > max(fresh["soap"], due["milk"])
    assert max(late.values()) < 0.1
    assert fresh["lamp"] < fresh["milk"]


def test_products_bought_on_too_few_days_have_no_score() -> None:
    interactions = make_purchases()
    model = RepurchaseInterval(min_count=2).fit(interactions)
    assert score_at(model, interactions, 169)["lamp"] == 0
    assert score_at(RepurchaseInterval().fit(interactions), interactions, 169)["lamp"] > 0


def test_views_form_no_interval_by_default() -> None:
    views = make_purchases()
    views = replace(views, kind=np.full_like(views.kind, KIND_CODES["view"]))
    with pytest.raises(NothingToLearnError, match="purchase"):
        RepurchaseInterval().fit(views)
    model = RepurchaseInterval(kinds=None).fit(views)
    assert model.score(views.build_histories()).nnz


def test_purchases_of_one_day_of_the_shop_are_one_day() -> None:
    """In Shanghai, midnight UTC is at 8:00."""
    hours = np.array([7 + 50 / 60, 8 + 10 / 60, 7 + 50 / 60, 8 + 10 / 60, 7 + 50 / 60, 8 + 10 / 60])
    days = np.array([50, 50, 57, 57, 64, 64])
    purchases = Interactions.from_ids(
        user_ids=["ann"] * 6, item_ids=["milk"] * 6, order=days * DAY + (hours - 8) * 3600, as_of=65 * DAY
    )
    local = replace(purchases, day_offset_s=8 * 3600.0)
    model = RepurchaseInterval().fit(local)
    assert model.mean_.tolist() == pytest.approx([np.log(7.0)])
    assert measure_product_features(local.build_histories(), 90.0)[0, 0] == pytest.approx(np.log(7.0))
    histories = purchases.build_histories()
    arrays, saved = model.to_arrays()
    again = restore(arrays, saved)
    assert again.score(histories).toarray() == pytest.approx(model.score(histories).toarray())
    in_utc = RepurchaseInterval().fit(purchases)
    assert in_utc.mean_[0] < np.log(5.0)
    del arrays["day_offset_"]
    earlier_release = restore(arrays, saved)
    assert isinstance(earlier_release, RepurchaseInterval)
    assert earlier_release.day_offset_.tolist() == [0.0]
    assert earlier_release.score(histories).nnz
