"""New products, measured apart, against answers by hand."""

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


def line(user: list[str], item: list[str]) -> Interactions:
    return Interactions.from_ids(user_ids=user, item_ids=item, items=ITEMS, users=IdMap.of(["ann", "bob"]))


def measured(test: Interactions) -> dict:
    past = line(["ann", "bob", "bob"], ["0 red tea", "1 oil", "1 oil"])
    time_split = TimeSplit(Split(past, test), Split(past, test), "purchase", [4], 0.0, True)
    contestants = {"content": Content().fit(past, PRODUCTS)}
    return measure_new_products(contestants=contestants, past=past, time_split=time_split, products=PRODUCTS)


def test_a_new_product_is_as_popular_as_its_category_on_average() -> None:
    past = line(["ann", "bob", "bob"], ["0 red tea", "1 oil", "1 oil"])
    counts = CategoryPopularity().fit(past, PRODUCTS).counts_
    np.testing.assert_allclose(counts, [1, 2, 0.5, 1, 0.6])


def test_content_finds_new_products_among_the_new_and_among_all() -> None:
    found = measured(line(["ann", "bob", "bob"], ["2 green tea", "3 motor oil", "1 oil"]))
    assert {name: found[name] for name in ("new", "wanted", "people")} == {"new": 3, "wanted": 2, "people": 2}
    content = found["figures"]["content"]
    assert content["new"]["recall@10"]["value"] == 1.0
    assert content["new"]["ndcg@10"]["value"] == 1.0
    # among all, what each bought before is most like itself, so that the new one comes second: 1 / log2(3)
    assert content["all"]["ndcg@10"]["value"] == 0.63093
    # among the new by category: motor oil, tea pot, green tea, so that ann's comes third and bob's first
    assert found["figures"][BASELINE]["new"]["ndcg@10"]["value"] == 0.75


def test_without_new_products_there_is_nothing_to_say() -> None:
    found = measured(line(["ann"], ["1 oil"]))
    assert (found["people"], found["figures"]) == (0, {})
