from dataclasses import replace

import numpy as np
import pytest

from recommendations.engine import KIND_CODES, Histories, Interactions, NothingToLearnError
from recommendations.engine.algorithms.repeat.ranker_kernels import FEATURES
from recommendations.engine.algorithms.repeat.ranker_samples import (
    collect_samples,
    list_cuts,
    measure_histories,
    measure_product_features,
)
from recommendations.engine.algorithms.repeat.repeat_ranker import RepeatRanker
from recommendations.engine.data.weighting import DAY

OPTIONS = {"half_life_days": 8.0, "limit": 100, "uses_last_order": False}
MILK, SOAP, LAMP = 0, 1, 2
# Orders on days 0, 8, 16 and 18: milk in the first three, twice in the second; soap in the last; a lamp in the first.
ITEMS = [MILK, LAMP, MILK, MILK, MILK, SOAP]
DAYS = np.array([0, 0, 8, 8, 16, 18]) * DAY


def make_history(as_of: float = 20.0) -> Histories:
    return Histories.of_lists([ITEMS], n_items=3, orders=[DAYS], as_of=as_of * DAY)


def make_product_features() -> np.ndarray:
    """Return features in which the usual gap of all products is 8 days."""
    return np.tile([np.log(8.0), 0.5, 0.4, 1.5, -0.1], (3, 1))


def measure(item: int, **options) -> dict[str, float]:
    _counts, items, matrix = measure_histories(make_history(), make_product_features(), **{**OPTIONS, **options})
    return dict(zip(FEATURES, matrix[items.tolist().index(item)].tolist(), strict=True))


def test_features_of_a_product_bought_three_times() -> None:
    assert measure(MILK) == pytest.approx(
        {
            "orders": 3,
            "order_share": 3 / 4,
            "order_share_since_first": 3 / 4,
            "recent_orders_share": 3 / 4,
            "frequency_long": 2 ** (-20 / 8) + 2 ** (-12 / 8) + 2 ** (-4 / 8),
            "frequency_short": 2 ** (-20 / 2) + 2 ** (-12 / 2) + 2 ** (-4 / 2),
            "frequency_by_order": 2 ** (-3 / 5) + 2 ** (-2 / 5) + 2 ** (-1 / 5),
            "orders_since": 1,
            "days_since": 4,
            "days_since_first": 20,
            "gap_mean": np.log(8),
            "gap_spread": np.sqrt(0.5 / 3),  # both gaps are the usual one; the product's variance counts as one gap
            "since_to_gap": np.log(4 / 8),
            "since_to_last_gap": np.log(4 / 8),
            "since_to_product_gap": np.log(4 / 8),
            "product_gap": np.log(8),
            "product_again": 0.4,
            "product_popularity": 1.5,
            "product_trend": -0.1,
            "customer_orders": 4,
            "customer_gap": 6,
            "customer_since": 2,
            "customer_basket": 5 / 4,
            "customer_items": 3,
        },
        rel=1e-5,
    )


def test_features_of_a_product_bought_once() -> None:
    features = measure(SOAP)
    assert (features["orders"], features["orders_since"], features["order_share_since_first"]) == (1, 0, 1)
    assert features["gap_mean"] == pytest.approx(np.log(8))
    assert features["since_to_last_gap"] == 9


def test_ages_count_from_the_last_order_if_the_next_order_is_predicted() -> None:
    features = measure(MILK, uses_last_order=True)
    assert (features["days_since"], features["customer_since"]) == (2, 0)


def test_only_the_most_frequent_products_are_measured() -> None:
    _counts, items, _matrix = measure_histories(make_history(), make_product_features(), **{**OPTIONS, "limit": 2})
    assert items.tolist() == [MILK, SOAP]


def make_product_purchases() -> Interactions:
    return Interactions.from_ids(
        user_ids=["a", "a", "b"], item_ids=["x", "x", "y"], order=np.array([0.0, 8, 16]) * DAY, as_of=16 * DAY
    )


def test_features_of_products() -> None:
    features = measure_product_features(make_product_purchases().build_histories(), 8.0)
    assert features[:, 3] == pytest.approx(np.log1p([2**-2 + 2**-1, 1]))
    assert features[:, 4] == pytest.approx(
        [np.log((4 * (2**-8 + 2**-4) + 1) / (2**-2 + 2**-1 + 1)), np.log((4 * 1 + 1) / (1 + 1))]
    )
    assert features[0, 2] > features[1, 2]  # x was bought again, y was not


def test_cuts_have_what_was_bought_within_the_horizon_after_them() -> None:
    past, later = next(iter(list_cuts(make_history(), horizon_days=5.0, cuts=1)))
    assert past.as_of == 15 * DAY
    assert (past.item.tolist(), later.item.tolist()) == ([MILK, LAMP, MILK, MILK], [MILK, SOAP])


@pytest.mark.parametrize("horizon_days", [5.0, 1 / 3, 0.1 + 1e-9])
def test_an_order_at_the_end_of_the_data_is_in_no_cut(horizon_days: float) -> None:
    as_of = 1_700_000_003.7
    for step in range(200):  # the end of a horizon must not depend on rounding
        moment = as_of + step / 7
        history = Histories.of_lists([[MILK, MILK]], n_items=3, orders=[[moment - 60, moment]], as_of=moment)
        past, later = next(iter(list_cuts(history, horizon_days=horizon_days, cuts=1)))
        assert (past.item.tolist(), later.order.tolist()) == ([], [moment - 60])


def test_cuts_before_the_last_orders() -> None:
    cuts = list(list_cuts(make_history(), horizon_days=None, cuts=2))
    assert [(past.item.tolist(), later.item.tolist()) for past, later in cuts] == [
        ([MILK, LAMP, MILK, MILK, MILK], [SOAP]),
        ([MILK, LAMP, MILK, MILK], [MILK]),
    ]


def test_samples_are_the_products_bought_before_and_whether_they_were_bought_again() -> None:
    matrix, label, share = collect_samples(list_cuts(make_history(), horizon_days=5.0, cuts=1), max_rows=100, **OPTIONS)
    assert (label.tolist(), share) == ([True, False], 1.0)
    assert matrix[:, FEATURES.index("orders")].tolist() == [2, 1]


def make_purchases(users: int = 40) -> Interactions:
    """Each user buys milk every 7 days and soap every 56, from a day of their own, and one of them a lamp."""
    rows = [
        (f"user-{user:02}", item, day + user % 7)
        for user in range(users)
        for item, gap in (("milk", 7), ("soap", 56))
        for day in range(0, 330, gap)
    ]
    rows.append(("user-00", "lamp", 329))
    users_, items, days = zip(*rows, strict=True)
    return Interactions.from_ids(user_ids=users_, item_ids=items, order=np.array(days) * DAY, as_of=336 * DAY)


@pytest.fixture(scope="module")
def purchases() -> Interactions:
    return make_purchases()


@pytest.fixture(scope="module")
def model(purchases: Interactions) -> RepeatRanker:
    return RepeatRanker(horizon_days=7.0, trees=20).fit(purchases)


def score_at(model: RepeatRanker, purchases: Interactions, day: float) -> dict[str, float]:
    histories = replace(purchases.build_histories(np.array([0])), as_of=day * DAY)
    row = model.score(histories).toarray()[0]
    return {item: float(row[purchases.items.get_row(item)]) for item in ("milk", "soap", "lamp")}


def test_scores_are_the_probability_of_another_purchase(model: RepeatRanker, purchases: Interactions) -> None:
    scores = score_at(model, purchases, 336)  # the last soap was bought on day 280, so the next is due
    assert scores["milk"] > 0.9
    fresh = score_at(model, purchases.before(300 * DAY), 300)
    assert fresh["soap"] < 0.2 < fresh["milk"]


def test_score_is_due_to_the_product_itself(model: RepeatRanker, purchases: Interactions) -> None:
    milk, soap = (purchases.items.get_row(item) for item in ("milk", "soap"))
    history = purchases.build_histories(np.array([1]))
    explained = model.explain_many(history, [milk, soap, purchases.items.get_row("lamp")])
    assert [[part.item for part in parts] for parts in explained] == [[milk], [soap], []]
    assert explained[0][0].value == pytest.approx(model.score(history).toarray()[0, milk])


def test_a_purchase_after_the_training_is_known(model: RepeatRanker, purchases: Interactions) -> None:
    soap, lamp = purchases.items.get_row("soap"), purchases.items.get_row("lamp")
    history = Histories.of_lists(
        [[soap, lamp]], n_items=3, orders=[[DAY, 400 * DAY]], kinds=[[KIND_CODES["purchase"]] * 2], as_of=401 * DAY
    )
    assert set(model.score(history).indices.tolist()) == {soap, lamp}


def test_views_are_no_purchases(purchases: Interactions, model: RepeatRanker) -> None:
    views = replace(purchases, kind=np.full_like(purchases.kind, KIND_CODES["view"]))
    with pytest.raises(NothingToLearnError, match="purchase"):
        RepeatRanker().fit(views)
    assert not model.score(views.build_histories()).nnz


def test_prediction_of_the_next_order_does_not_depend_on_the_day(purchases: Interactions) -> None:
    model = RepeatRanker(horizon_days=None, trees=5).fit(purchases)
    assert score_at(model, purchases, 336) == score_at(model, purchases, 700)


def test_without_repeat_purchases_the_aged_frequency_ranks() -> None:
    once = Interactions.from_ids(user_ids=["a", "a"], item_ids=["old", "new"], order=[0.0, 90 * DAY])
    scores = RepeatRanker(half_life_days=90.0).fit(once).score(once.build_histories()).toarray()[0]
    assert scores[[once.items.get_row("new"), once.items.get_row("old")]] == pytest.approx([1 / 2, 1 / 3])


def test_a_customer_with_700_orders_has_as_many_scores_as_candidates() -> None:
    draws = np.random.default_rng(2)
    order = np.repeat(np.arange(700.0), 8) * DAY
    data = Interactions.from_rows(
        user=np.zeros(5600, np.int32),
        item=draws.integers(0, 900, 5600),
        order=order,
        users=make_product_purchases().users,
        items=Interactions.from_ids(user_ids=["a"] * 900, item_ids=[str(row) for row in range(900)]).items,
    )
    model = RepeatRanker(trees=5, candidates=50).fit(data)
    scores = model.score(data.build_histories(np.array([0])))
    assert scores.nnz == 50
    assert (scores.data > 0).all()


@pytest.mark.parametrize("wrong", [{"depth": 0}, {"trees": 0}, {"cuts": 0}, {"candidates": 0}, {"horizon_days": 0.0}])
def test_wrong_parameters_are_named(purchases: Interactions, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RepeatRanker(**wrong).fit(purchases)
