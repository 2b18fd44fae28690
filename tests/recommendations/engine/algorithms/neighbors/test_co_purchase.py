"""Products bought together, against answers by hand."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from recommendations.engine import Histories, Interactions, NothingToLearnError
from recommendations.engine.algorithms.neighbors.co_purchase import BasketPair, CoPurchase
from recommendations.engine.pair_support.support import SupportLevel

TEA, MILK, RICE = 1, 0, 2  # rows, by the order of the names
ONLINE_RETAIL = Path(__file__).parents[6] / "shared" / "data" / "online_retail" / "year1.parquet"


def make_orders() -> Interactions:
    """Five orders of two users: tea and milk together three times, tea alone, milk with rice."""
    orders = [
        ("a", 1, "tea milk"),
        ("a", 2, "tea milk milk"),
        ("b", 1, "tea milk"),
        ("b", 2, "tea"),
        ("b", 3, "milk_ rice"),
    ]
    lines = [(user, time, item.strip("_")) for user, time, items in orders for item in items.split()]
    users, times, items = zip(*lines, strict=True)
    ids = {"milk": "0 milk", "tea": "1 tea", "rice": "2 rice"}
    return Interactions.from_ids(user_ids=users, item_ids=[ids[item] for item in items], order=times)


PLAIN = {"prior_orders": 0.0, "z": 0.0}  # the plain confidence instead of its lower bound


def make_pairs(*, orders: int, people: int, lone: int = 200) -> Interactions:
    """Make orders of rice and milk by a number of people, and orders of tea only by others."""
    rows = [(f"buyer-{order % people}", order, item) for order in range(orders) for item in ("0 milk", "2 rice")]
    rows += [(f"other-{order}", order, "1 tea") for order in range(lone)]
    users, times, items = zip(*rows, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items, order=times)


def test_count_confidence_and_lift_match_the_calculation_by_hand():
    model = CoPurchase(min_count=1, damping=1.0, **PLAIN).fit(make_orders())
    (milk,) = model.list_bought_together(TEA)
    lift = pytest.approx(3 / 4 / (4 / 5))
    assert milk == BasketPair(MILK, 3, 2, pytest.approx(3 / 4), lift, lift)
    assert [pair.item for pair in model.list_bought_together(MILK)] == [RICE, TEA], (
        "rice has the larger lift, 1.25 against 0.94"
    )
    assert model.list_bought_together(MILK, n=1)[0].lift == pytest.approx(1.25)


def test_without_damping_the_score_is_the_sum_of_confidences():
    model = CoPurchase(min_count=1, damping=0.0, **PLAIN).fit(make_orders())
    scores = model.score(Histories.of_lists([[MILK], [TEA, RICE]], n_items=3)).toarray()
    np.testing.assert_allclose(scores, [[0, 3 / 4, 1 / 4], [3 / 4 + 1, 0, 0]], rtol=1e-6)
    assert model.list_bought_together(MILK)[0].item == TEA


def test_pairs_below_the_minimum_count_are_left_out():
    model = CoPurchase(min_count=2).fit(make_orders())
    assert [pair.item for pair in model.list_bought_together(MILK)] == [TEA]
    assert model.list_bought_together(RICE) == []


@pytest.mark.parametrize(
    ("orders", "people", "level"),
    [(2, 2, "SOME"), (4, 4, "SOME"), (5, 5, "OFTEN"), (5, 2, "OFTEN"), (4, 2, "SOME")],
)
def test_the_support_of_a_pair_grows_with_its_orders_and_people(orders, people, level):
    model = CoPurchase().fit(make_pairs(orders=orders, people=people))
    counts = model.support_.find(np.array([MILK]), np.array([RICE]))
    assert (counts.orders[0], counts.people[0]) == (orders, people)
    assert counts.grade(5)[0] == SupportLevel[level]
    assert counts.grade(orders)[0] == SupportLevel.OFTEN, "the minimum is a setting"


@pytest.mark.parametrize(("orders", "people"), [(1, 1), (5, 1)])
def test_a_pair_of_a_single_order_or_a_single_person_is_no_pair(orders, people):
    assert CoPurchase().fit(make_pairs(orders=orders, people=people)).list_bought_together(MILK) == []


def test_a_frequent_pair_that_is_not_more_frequent_than_by_chance_is_not_often():
    model = CoPurchase().fit(make_pairs(orders=50, people=50, lone=1))
    counts = model.support_.find(np.array([MILK]), np.array([RICE]))
    assert counts.lift[0] <= 1, "nearly all orders have both products"
    assert counts.grade(5)[0] == SupportLevel.SOME


@pytest.mark.parametrize("damping", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_two_orders_with_a_high_lift_rank_behind_forty_with_a_lower_one(damping):
    """Of 40,000 orders 100 have the kettle; the tray is in 2 of 2 and the tea in 40 of 800: lifts 400 and 20."""
    rows = [(f"k{order}", "kettle") for order in range(100)]
    rows += [(f"k{order}", "tea") for order in range(40)] + [(f"k{order}", "tray") for order in (50, 60)]
    rows += [(f"t{order}", "tea") for order in range(760)]
    rows += [(f"o{order}", f"other {order % 50}") for order in range(40_000 - 100 - 760)]
    users, items = zip(*rows, strict=True)
    interactions = Interactions.from_ids(user_ids=users, item_ids=items, order=np.zeros(len(rows)))
    model = CoPurchase(damping=damping).fit(interactions)
    kettle = interactions.items.get_row("kettle")
    tea, tray = model.list_bought_together(kettle)
    assert [interactions.items.get_id(pair.item) for pair in (tea, tray)] == ["tea", "tray"]
    assert (tea.lift, tray.lift) == (pytest.approx(20), pytest.approx(400))
    levels = model.support_.find(np.full(2, kettle), np.array([tea.item, tray.item])).grade(5)
    assert levels.tolist() == [SupportLevel.OFTEN, SupportLevel.SOME]


def test_the_bound_in_the_scores_is_that_of_the_support():
    model = CoPurchase(min_count=1, damping=1.0).fit(make_orders())
    scores = model.rules_.data
    np.testing.assert_allclose(scores, model.support_.lift, rtol=1e-5)


def test_only_purchases_form_baskets_by_default():
    views = Interactions.from_ids(user_ids=["a", "a"], item_ids=["x", "y"], order=[1, 1], kind=[0, 0])
    with pytest.raises(NothingToLearnError, match="'purchase'"):
        CoPurchase().fit(views)
    assert CoPurchase(kind=None, min_count=1).fit(views).list_bought_together(0)[0].baskets == 1
    with pytest.raises(ValueError, match="kind"):
        CoPurchase(kind="theft").fit(views)


@pytest.mark.skipif(not ONLINE_RETAIL.exists(), reason="needs Online Retail")
def test_pairs_of_a_real_shop_match_its_invoices():
    lines = pq.read_table(ONLINE_RETAIL, columns=["Customer ID", "StockCode", "InvoiceDate", "Quantity"]).slice(
        0, 60_000
    )
    rows = {
        (customer, time, product.strip())
        for customer, product, time, quantity in zip(*(column.to_pylist() for column in lines.columns), strict=True)
        if customer and quantity > 0
    }
    customers, times, products = zip(*sorted(rows), strict=True)
    interactions = Interactions.from_ids(
        user_ids=[str(customer) for customer in customers], item_ids=products, order=np.array(times, "datetime64[s]")
    )
    model = CoPurchase(k=interactions.n_items, min_count=1, damping=0.0, **PLAIN).fit(interactions)
    baskets = {basket[:2] for basket in rows if basket[2] == "85123A"}
    expected = Counter(
        product for customer, time, product in rows if (customer, time) in baskets and product != "85123A"
    )
    pairs = model.list_bought_together(interactions.items.get_row("85123A"), n=interactions.n_items)
    assert {interactions.items.get_id(pair.item): pair.baskets for pair in pairs} == expected


@pytest.mark.parametrize(
    ("model", "parameter"),
    [(CoPurchase(k=0), "k"), (CoPurchase(min_count=0), "min_count"), (CoPurchase(z=-1.0), "z")],
)  # fmt: skip
def test_invalid_parameters_are_named(model, parameter):
    with pytest.raises(ValueError, match=parameter):
        model.fit(make_orders())
