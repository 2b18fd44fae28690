"""The evaluation of new products, against values computed by hand."""

import numpy as np

from recommendations.engine import IdMap, Interactions, Products
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.evaluation import Split
from recommendations.training.data.time_split import TimeSplit
from recommendations.training.evaluation.new_products import BASELINE, CategoryPopularity, measure_new_products

ITEMS = IdMap.of(["0 red tea", "1 oil", "2 green tea", "3 motor oil", "4 tea pot"])
PRODUCTS = Products.of_columns(
    {"title": ["red tea", "oil", "green tea", "motor oil", "tea pot"], "category": ["tea", "car", "tea", "car", ""]}
)


def make_interactions(user: list[str], item: list[str]) -> Interactions:
    return Interactions.from_ids(user_ids=user, item_ids=item, items=ITEMS, users=IdMap.of(["ann", "bob"]))


def measure(test: Interactions) -> dict:
    past = make_interactions(["ann", "bob", "bob"], ["0 red tea", "1 oil", "1 oil"])
    time_split = TimeSplit(Split(past, test), Split(past, test), "purchase", [4], 0.0, True)
    contestants = {"content": Content().fit(past, PRODUCTS)}
    return measure_new_products(contestants=contestants, past=past, time_split=time_split, products=PRODUCTS)


def test_a_new_product_has_the_mean_popularity_of_its_category() -> None:
    past = make_interactions(["ann", "bob", "bob"], ["0 red tea", "1 oil", "1 oil"])
    counts = CategoryPopularity().fit(past, PRODUCTS).counts_
    np.testing.assert_allclose(counts, [1, 2, 0.5, 1, 0.6])


def test_content_finds_new_products_among_new_and_among_all_products() -> None:
    result = measure(make_interactions(["ann", "bob", "bob"], ["2 green tea", "3 motor oil", "1 oil"]))
    assert {name: result[name] for name in ("new", "wanted", "people")} == {"new": 3, "wanted": 2, "people": 2}
    content = result["figures"]["content"]
    assert content["new"]["recall@10"]["value"] == 1.0
    assert content["new"]["ndcg@10"]["value"] == 1.0
    # Among all products, the product bought before is most similar to itself, so the new one ranks second: 1 / log2(3).
    assert content["all"]["ndcg@10"]["value"] == 0.63093
    # The order of the new products by category is motor oil, tea pot, green tea: ann's ranks third, bob's first.
    assert result["figures"][BASELINE]["new"]["ndcg@10"]["value"] == 0.75


def test_without_new_products_there_are_no_figures() -> None:
    result = measure(make_interactions(["ann"], ["1 oil"]))
    assert (result["people"], result["figures"]) == (0, {})
