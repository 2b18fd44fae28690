"""Bought together, and groups of users, against answers worked out by hand."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from recommendations.engine import Histories, Interactions, NothingToLearnError, recommend
from recommendations.engine.algorithms.neighbors.co_purchase import CoPurchase, BasketPair
from recommendations.engine.algorithms.neighbors.user_clusters import UserClusters

TEA, MILK, RICE = 1, 0, 2  # rows, by the order of the names
ONLINE_RETAIL = Path(__file__).parents[5] / "shared" / "data" / "online_retail" / "year1.parquet"


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


def test_count_confidence_and_lift_by_hand():
    model = CoPurchase(min_count=1, damping=1.0).fit(make_orders())
    (milk,) = model.together(TEA)
    assert milk == BasketPair(MILK, 3, pytest.approx(3 / 4), pytest.approx(3 / 4 / (4 / 5)))
    assert [pair.item for pair in model.together(MILK)] == [RICE, TEA], "rice has the larger lift, 1.25 against 0.94"
    assert model.together(MILK, n=1)[0].lift == pytest.approx(1.25)


def test_without_damping_the_score_is_the_sum_of_confidences():
    model = CoPurchase(min_count=1, damping=0.0).fit(make_orders())
    scores = model.score(Histories.of_lists([[MILK], [TEA, RICE]], n_items=3)).toarray()
    np.testing.assert_allclose(scores, [[0, 3 / 4, 1 / 4], [3 / 4 + 1, 0, 0]], rtol=1e-6)
    assert model.together(MILK)[0].item == TEA


def test_pairs_below_the_count_floor_are_left_out():
    model = CoPurchase(min_count=2).fit(make_orders())
    assert [pair.item for pair in model.together(MILK)] == [TEA]
    assert model.together(RICE) == []


def test_baskets_are_a_person_at_a_moment_whatever_the_order_of_lines():
    interactions = Interactions.from_ids(user_ids=list("abaab"), item_ids=list("vwxyz"), order=[5, 5, 5, 7, 5])
    numbers = interactions.baskets()
    assert numbers[0] == numbers[2]
    assert numbers[1] == numbers[4]
    assert len(set(numbers.tolist())) == 3
    shuffled = interactions.subset(np.array([4, 3, 2, 1, 0]))
    assert shuffled.baskets().tolist() == numbers[::-1].tolist()


def test_baskets_go_on_over_short_pauses():
    interactions = Interactions.from_ids(user_ids=list("aaab"), item_ids=list("wxyz"), order=[0, 60, 121, 121])
    assert interactions.baskets(gap_s=60).tolist() == [0, 0, 1, 2]
    assert interactions.baskets(gap_s=61).tolist() == [0, 0, 0, 1]
    assert interactions.subset(np.array([], int)).baskets().tolist() == []
    with pytest.raises(ValueError, match="gap_s"):
        interactions.baskets(gap_s=-1)


def test_only_purchases_make_orders_unless_asked_otherwise():
    views = Interactions.from_ids(user_ids=["a", "a"], item_ids=["x", "y"], order=[1, 1], kind=[0, 0])
    with pytest.raises(NothingToLearnError, match="'purchase'"):
        CoPurchase().fit(views)
    assert CoPurchase(kind=None, min_count=1).fit(views).together(0)[0].baskets == 1
    with pytest.raises(ValueError, match="kind"):
        CoPurchase(kind="theft").fit(views)


@pytest.mark.skipif(not ONLINE_RETAIL.exists(), reason="needs Online Retail")
def test_pairs_of_a_real_shop_are_those_of_its_invoices():
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
    model = CoPurchase(k=interactions.n_items, min_count=1, damping=0.0).fit(interactions)
    hearts = {basket[:2] for basket in rows if basket[2] == "85123A"}
    expected = Counter(
        product for customer, time, product in rows if (customer, time) in hearts and product != "85123A"
    )
    found = model.together(interactions.items.row("85123A"), n=interactions.n_items)
    assert {interactions.items.id(pair.item): pair.baskets for pair in found} == expected


def make_tastes(people: int = 60) -> Interactions:
    """Thirds of tea, coffee and rice drinkers; all users has salt, each three of the four products of their taste."""
    lines = [(user, item) for user in range(people) for item in range(4) if item != user // 3 % 4]
    users = [f"u{user:02d}" for user, _ in lines] + [f"u{user:02d}" for user in range(people)]
    items = [f"{'abc'[user % 3]}{item}" for user, item in lines] + ["salt"] * people
    return Interactions.from_ids(user_ids=users, item_ids=items)


def test_people_of_one_taste_share_a_cluster():
    interactions = make_tastes()
    labels = UserClusters(clusters=3).fit(interactions).cluster(interactions.histories())
    tastes = np.array([int(user[1:]) % 3 for user in interactions.users.ids()])
    assert len({(label, taste) for label, taste in zip(labels.tolist(), tastes.tolist(), strict=True)}) == 3


def test_lift_by_hand():
    interactions = make_tastes()
    model = UserClusters(clusters=3, damping=1.0, smoothing=10.0).fit(interactions)
    scores = model.score(interactions.histories().rows(0, 1)).toarray()[0]
    # Of the 20 with the first one's taste 15 have each of its products, of all 60 as many: p = 1/4.
    within = (15 + 10 / 4) / (20 + 10)
    assert scores[interactions.items.row("a1")] == pytest.approx(within * 4)
    assert scores[interactions.items.row("salt")] == pytest.approx(1.0), "what everybody has is no sign of a taste"
    assert scores[interactions.items.row("b1")] == 0


def test_without_damping_the_score_is_the_share_within_the_cluster():
    interactions = make_tastes()
    model = UserClusters(clusters=3, damping=0.0, smoothing=0.0).fit(interactions)
    scores = model.score(interactions.histories().rows(0, 1)).toarray()[0]
    assert scores[interactions.items.row("a1")] == pytest.approx(15 / 20)


def test_what_the_own_cluster_buys_comes_first():
    interactions = make_tastes()
    model = UserClusters(clusters=3).fit(interactions)
    first = recommend(model, interactions.histories(), 1, exclude_seen=True).items[:, 0]
    for user in range(60):
        assert interactions.items.id(first[user]) == f"{'abc'[user % 3]}{user // 3 % 4}"


def test_person_without_a_history_has_no_cluster_and_few_people_make_few_clusters():
    interactions = make_tastes()
    model = UserClusters(clusters=30).fit(interactions)
    assert model.centres_.shape[1] == 3
    assert model.cluster(Histories.of_lists([[], [0]], n_items=13)).tolist()[0] == -1
    assert model.sizes_.sum() == 60


@pytest.mark.parametrize(
    ("model", "named"),
    [(CoPurchase(k=0), "k"), (CoPurchase(min_count=0), "min_count"), (UserClusters(clusters=0), "clusters"),
     (UserClusters(smoothing=-1.0), "smoothing")],
)  # fmt: skip
def test_wrong_parameters_are_named(model, named):
    with pytest.raises(ValueError, match=named):
        model.fit(make_orders())
