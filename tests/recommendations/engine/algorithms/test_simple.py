"""Popularity, repeat, content and blend against answers known beforehand."""

from dataclasses import replace

import numpy as np
import pytest

from recommendations.engine import Histories, IdMap, Interactions, NothingToLearnError, Products, recommend
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.algorithms.repeat.repeat_purchase import RepeatPurchase
from recommendations.engine.data.text_terms import join_values, split_terms, split_values
from tests.recommendations.engine.makers import make_blend, make_products, make_random_interactions

DAY = 86_400.0


def test_popularity_halves_with_every_half_life():
    interactions = Interactions.from_ids(
        user_ids=["a", "b", "c"], item_ids=["x", "x", "y"], order=[0.0, 10 * DAY, 20 * DAY], weight=[8, 4, 1]
    )
    np.testing.assert_allclose(Popularity(half_life_days=10).fit(interactions).counts_, [8 / 4 + 4 / 2, 1])
    np.testing.assert_allclose(Popularity().fit(interactions).counts_, [12, 1])


def test_popularity_of_one_category_shows_that_category_only():
    interactions = Interactions.from_ids(user_ids=list("abcd"), item_ids=["x", "x", "y", "z"])
    products = Products.of_columns({"category": ["toys", "food", "toys"]})
    model = Popularity().fit(interactions, products)
    ranking = model.top(3, category=products.categories.row("toys"))
    assert ranking.items.tolist() == [[0, 2, -1]]


@pytest.mark.parametrize("half_life", [0, -1, float("nan")])
def test_half_life_that_is_not_positive_is_refused(half_life):
    with pytest.raises(ValueError, match="half_life_days"):
        Popularity(half_life_days=half_life).fit(make_random_interactions())


def test_repeat_puts_what_a_person_buys_most_first():
    interactions = Interactions.from_ids(
        user_ids=["a"] * 6, item_ids=["milk", "tea", "milk", "milk", "tea", "rice"], order=np.arange(6) * DAY
    )
    items = recommend(RepeatPurchase().fit(interactions), interactions.histories(), 3, exclude_seen=False).items[0]
    assert interactions.items.ids(items) == ["milk", "tea", "rice"]


def test_repeat_with_a_short_half_life_prefers_what_was_bought_last():
    interactions = Interactions.from_ids(
        user_ids=["a"] * 6, item_ids=["milk", "tea", "milk", "milk", "tea", "rice"], order=np.arange(6) * DAY
    )
    model = RepeatPurchase(half_life_days=0.25).fit(interactions)
    items = recommend(model, interactions.histories(), 3, exclude_seen=False).items[0]
    assert interactions.items.ids(items) == ["rice", "tea", "milk"]


def make_shop(titles: list[str]) -> tuple[Interactions, Products]:
    ids = [f"p{place:02d}" for place in range(len(titles))]
    interactions = Interactions.from_ids(user_ids=["a"], item_ids=["p00"], items=IdMap.of(ids))
    return interactions, Products.of_columns({"title": titles})


def test_content_finds_the_product_with_the_same_words():
    interactions, products = make_shop(["Green tea", "Motor oil", "green TEA leaves", "Brake pads", "Motor pads"])
    items, cosines = Content().fit(interactions, products).similar(0)
    assert items[0] == 2
    assert (cosines > 0).all()


def test_content_finds_chinese_titles_by_pieces_of_characters():
    interactions, products = make_shop(["龙井绿茶礼盒", "汽车机油", "新款绿茶", "刹车片", "机油滤清器"])
    model = Content().fit(interactions, products)
    assert model.similar(0)[0][0] == 2
    assert model.similar(1)[0][0] == 4


def test_content_cosine_by_hand():
    interactions, products = make_shop(["a b", "a c", "d"])
    rare, shared = np.log((1 + 1 / 3) / (1 / 3)), np.log((1 + 1 / 3) / (2 / 3))
    expected = shared**2 / (shared**2 + rare**2)
    items, cosines = Content().fit(interactions, products).similar(0)
    assert items.tolist() == [1]
    np.testing.assert_allclose(cosines, [expected], rtol=1e-5)


def test_of_products_that_read_alike_only_the_popular_one_is_an_alternative():
    interactions = Interactions.from_ids(
        user_ids=["a", "b", "a"], item_ids=["p2", "p2", "p0"], items=IdMap.of(["p0", "p1", "p2", "p3"])
    )
    model = Content().fit(interactions, Products.of_columns({"title": ["tea", "tea", "tea", "green tea"]}))
    assert model.similar(1)[0].tolist() == [2, 3]
    assert model.similar(2)[0].tolist() == [3]
    assert model.similar(3)[0].tolist() == [2]


def test_image_vectors_alone_are_content_too():
    interactions, _ = make_shop(["", "", ""])
    vectors = np.array([[1, 0], [0, 1], [1, 0.1]], np.float32)
    model = Content().fit(interactions, Products(3, vectors={"image": vectors}))
    assert model.similar(0)[0][0] == 2


def test_chinese_titles_are_cut_into_pieces_of_one_to_three_characters():
    assert list(split_terms("龙井茶 200G")) == ["龙", "井", "茶", "龙井", "井茶", "龙井茶", "200g"]
    interactions, products = make_shop(["红茶", "绿茶", "咖啡"])
    items, cosines = Content().fit(interactions, products).similar(0)
    shared, rare = np.log((1 + 1 / 3) / (2 / 3)), np.log((1 + 1 / 3) / (1 / 3))
    assert items.tolist() == [1], "they share 茶, and coffee nothing"
    np.testing.assert_allclose(cosines, [shared**2 / (shared**2 + 2 * rare**2)], rtol=1e-5)


def test_values_that_were_joined_stay_whole():
    assert list(split_values("tags", join_values(["Home > Garden", "a, b"]))) == ["tags=home > garden", "tags=a, b"]
    assert list(split_values("category", "Home > Garden")) == ["category=home", "category=garden"]
    assert list(split_values("tags", join_values([]))) == []


def test_price_bands_count_less_than_words():
    interactions, _ = make_shop(["", "", ""])
    products = Products.of_columns({"title": ["red tea", "green tea", "oil"], "price band": ["1", "2", "1"]})
    assert Content(price_weight=2.0).fit(interactions, products).similar(0)[0][0] == 2
    assert Content().fit(interactions, products).similar(0)[0][0] == 1
    assert Content(price_weight=0.0).fit(interactions, products).similar(0)[0].tolist() == [1]


def test_a_product_without_a_vector_is_neither_favoured_nor_disfavoured():
    interactions, _ = make_shop([""] * 6)
    titles = ["red tea", "red tea", "red wine", "oil", "oil", "oil can"]
    vectors = np.array([[3, 1], [0, 0], [1, 3], [0, 0], [2, 1], [1, 2]], np.float32)
    texts = Products.of_columns({"title": titles})
    both = Products.of_columns({"title": titles})
    both = replace(both, vectors={"image": vectors})
    plain, seeing = Content().fit(interactions, texts), Content().fit(interactions, both)
    history = Histories.of_lists([[1]], n_items=6)  # a product without a vector
    before, after = plain.score(history)[0], seeing.score(history)[0]
    np.testing.assert_allclose(after[[3]], before[[3]], err_msg="nothing in common stays nothing")
    np.testing.assert_allclose(
        after[0], before[0] / np.sqrt(2), rtol=1e-5, err_msg="half of what product 0 is are its numbers"
    )
    assert after[0] > after[2] > after[3]
    shown = seeing.score(Histories.of_lists([[0]], n_items=6))[0]
    assert shown[1] > shown[2], "without a vector, but the same words"


def test_wide_vectors_are_projected_without_losing_who_is_like_whom():
    interactions, _ = make_shop([""] * 40)
    chance = np.random.default_rng(3)
    kinds = chance.standard_normal((2, 300))
    vectors = (kinds[np.arange(40) % 2] + 0.5 * chance.standard_normal((40, 300))).astype(np.float32)
    model = Content(k=19).fit(interactions, Products(40, vectors={"image": vectors}))
    assert model.vectors_.shape[1] <= 1 + 64
    assert (model.similar(0)[0] % 2 == 0).all()


def test_equal_products_share_a_row_also_where_there_are_vectors():
    interactions, _ = make_shop([""] * 3)
    products = replace(
        Products.of_columns({"title": ["tea", "tea", "tea"]}), vectors={"image": np.array([[1], [1], [0]], np.float32)}
    )
    assert Content().fit(interactions, products).document_.tolist() == [0, 0, 1]


def test_content_without_products_is_refused():
    with pytest.raises(NothingToLearnError, match="products"):
        Content().fit(make_random_interactions())


def test_content_works_in_a_shop_that_sold_nothing_yet():
    interactions = Interactions.from_ids(user_ids=[], item_ids=[], items=IdMap.of(["p0", "p1", "p2"]))
    model = Content().fit(interactions, Products.of_columns({"title": ["red tea", "green tea", "oil"]}))
    assert recommend(model, Histories.of_lists([[0]], n_items=3), 5, exclude_seen=True).items[0].tolist()[0] == 1


@pytest.mark.parametrize("normalisation", ["max", "rank"])
def test_blend_of_one_component_ranks_as_it_does(normalisation):
    interactions = make_random_interactions()
    alone = RepeatPurchase().fit(interactions)
    blend = WeightedEnsemble.of_fitted({"repeat": alone}, {"repeat": 3.0}, normalisation)
    histories = interactions.histories()
    np.testing.assert_array_equal(
        recommend(blend, histories, 5, exclude_seen=False).items[:, :1],
        recommend(alone, histories, 5, exclude_seen=False).items[:, :1],
    )
    assert recommend(blend, histories, 1, exclude_seen=False).scores.max() == pytest.approx(1.0)


def test_blend_is_the_weighted_sum_of_scores_scaled_to_their_maximum():
    interactions = make_random_interactions()
    popular, own = Popularity().fit(interactions), RepeatPurchase().fit(interactions)
    history = interactions.histories().rows(0, 1)
    blend = WeightedEnsemble.of_fitted({"popularity": popular, "repeat": own}, {"popularity": 1, "repeat": 3})
    one, two = popular.score(history), own.score(history).toarray()
    expected = 0.25 * one / one.max() + 0.75 * two / two.max()
    scores = blend.score(history)
    np.testing.assert_allclose(np.where(np.isfinite(scores), scores, 0), expected, rtol=1e-5)


def test_blend_says_which_component_gave_what():
    interactions = make_random_interactions()
    blend = make_blend().fit(interactions, make_products(interactions.n_items))
    history = interactions.histories().rows(0, 1)
    best = int(recommend(blend, history, 1, exclude_seen=False).items[0, 0])
    assert {part.source for part in blend.explain(history, best)} >= {"popularity", "item-knn", "user-knn"}


@pytest.mark.parametrize(
    "weights", [{"repeat": -1.0}, {"repeat": 0.0}, {"other": 1.0}, {"repeat": float("inf")}, {"repeat": float("nan")}]
)
def test_blend_refuses_wrong_weights(weights):
    with pytest.raises(ValueError, match="weights"):
        WeightedEnsemble({"repeat": {"algorithm": "repeat", "parameters": {}}}, weights).fit(make_random_interactions())
