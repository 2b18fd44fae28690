"""Content-based recommendation against known answers."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommendations.engine import Histories, IdMap, Interactions, NothingToLearnError, Products, recommend
from recommendations.engine.algorithms.content import content
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.data.text_terms import split_terms
from recommendations.engine.linear_algebra.sparse import multiply_top_k_rows
from tests.recommendations.engine.makers import (
    make_random_interactions,
)


def make_shop(titles: list[str]) -> tuple[Interactions, Products]:
    ids = [f"p{number:02d}" for number in range(len(titles))]
    interactions = Interactions.from_ids(user_ids=["a"], item_ids=["p00"], items=IdMap.of(ids))
    return interactions, Products.of_columns({"title": titles})


def test_product_with_the_same_words_is_most_similar():
    interactions, products = make_shop(["Green tea", "Motor oil", "green TEA leaves", "Brake pads", "Motor pads"])
    items, cosines = Content().fit(interactions, products).find_similar(0)
    assert items[0] == 2
    assert (cosines > 0).all()


def test_chinese_titles_match_by_character_n_grams():
    interactions, products = make_shop(["龙井绿茶礼盒", "汽车机油", "新款绿茶", "刹车片", "机油滤清器"])
    model = Content().fit(interactions, products)
    assert model.find_similar(0)[0][0] == 2
    assert model.find_similar(1)[0][0] == 4


def test_cosine_matches_the_calculation_by_hand():
    interactions, products = make_shop(["a b", "a c", "d"])
    rare, shared = np.log((1 + 1 / 3) / (1 / 3)), np.log((1 + 1 / 3) / (2 / 3))
    expected = shared**2 / (shared**2 + rare**2)
    items, cosines = Content().fit(interactions, products).find_similar(0)
    assert items.tolist() == [1]
    np.testing.assert_allclose(cosines, [expected], rtol=1e-5)


def test_only_the_most_popular_of_equal_products_is_an_alternative():
    interactions = Interactions.from_ids(
        user_ids=["a", "b", "a"], item_ids=["p2", "p2", "p0"], items=IdMap.of(["p0", "p1", "p2", "p3"])
    )
    model = Content().fit(interactions, Products.of_columns({"title": ["tea", "tea", "tea", "green tea"]}))
    assert model.find_similar(1)[0].tolist() == [2, 3]
    assert model.find_similar(2)[0].tolist() == [3]
    assert model.find_similar(3)[0].tolist() == [2]


def test_image_vectors_alone_are_content():
    interactions, _ = make_shop(["", "", ""])
    vectors = np.array([[1, 0], [0, 1], [1, 0.1]], np.float32)
    model = Content().fit(interactions, Products(3, vectors={"image": vectors}))
    assert model.find_similar(0)[0][0] == 2


def test_chinese_titles_are_split_into_one_to_three_characters():
    assert list(split_terms("龙井茶 200G")) == ["龙", "井", "茶", "龙井", "井茶", "龙井茶", "200g"]
    interactions, products = make_shop(["红茶", "绿茶", "咖啡"])
    items, cosines = Content().fit(interactions, products).find_similar(0)
    shared, rare = np.log((1 + 1 / 3) / (2 / 3)), np.log((1 + 1 / 3) / (1 / 3))
    assert items.tolist() == [1], "both teas share 茶; coffee shares nothing"
    np.testing.assert_allclose(cosines, [shared**2 / (shared**2 + 2 * rare**2)], rtol=1e-5)


def test_price_bands_count_less_than_words():
    interactions, _ = make_shop(["", "", ""])
    products = Products.of_columns({"title": ["red tea", "green tea", "oil"], "price band": ["1", "2", "1"]})
    assert Content(price_weight=2.0).fit(interactions, products).find_similar(0)[0][0] == 2
    assert Content().fit(interactions, products).find_similar(0)[0][0] == 1
    assert Content(price_weight=0.0).fit(interactions, products).find_similar(0)[0].tolist() == [1]


def test_product_without_a_vector_has_no_advantage_or_drawback():
    interactions, _ = make_shop([""] * 6)
    titles = ["red tea", "red tea", "red wine", "oil", "oil", "oil can"]
    vectors = np.array([[3, 1], [0, 0], [1, 3], [0, 0], [2, 1], [1, 2]], np.float32)
    text_products = Products.of_columns({"title": titles})
    combined = Products.of_columns({"title": titles})
    combined = replace(combined, vectors={"image": vectors})
    plain, with_vectors = Content().fit(interactions, text_products), Content().fit(interactions, combined)
    history = Histories.of_lists([[1]], n_items=6)  # a product without a vector
    before, after = plain.score(history)[0], with_vectors.score(history)[0]
    np.testing.assert_allclose(after[[3]], before[[3]], err_msg="products with nothing in common still have no score")
    np.testing.assert_allclose(
        after[0], before[0] / np.sqrt(2), rtol=1e-5, err_msg="half of the vector of product 0 is its image"
    )
    assert after[0] > after[2] > after[3]
    scores = with_vectors.score(Histories.of_lists([[0]], n_items=6))[0]
    assert scores[1] > scores[2], "without a vector, but the same words"


def test_projecting_wide_vectors_preserves_their_neighbors():
    interactions, _ = make_shop([""] * 40)
    rng = np.random.default_rng(3)
    centers = rng.standard_normal((2, 300))
    vectors = (centers[np.arange(40) % 2] + 0.5 * rng.standard_normal((40, 300))).astype(np.float32)
    model = Content(k=19).fit(interactions, Products(40, vectors={"image": vectors}))
    assert model.vectors_.shape[1] <= 1 + 64
    assert (model.find_similar(0)[0] % 2 == 0).all()


def test_products_with_equal_texts_and_vectors_share_a_row():
    interactions, _ = make_shop([""] * 3)
    products = replace(
        Products.of_columns({"title": ["tea", "tea", "tea"]}), vectors={"image": np.array([[1], [1], [0]], np.float32)}
    )
    assert Content().fit(interactions, products).document_.tolist() == [0, 0, 1]


def test_content_requires_products():
    with pytest.raises(NothingToLearnError, match="products"):
        Content().fit(make_random_interactions())


def test_content_works_without_sales():
    interactions = Interactions.from_ids(user_ids=[], item_ids=[], items=IdMap.of(["p0", "p1", "p2"]))
    model = Content().fit(interactions, Products.of_columns({"title": ["red tea", "green tea", "oil"]}))
    assert recommend(model, Histories.of_lists([[0]], n_items=3), 5, exclude_seen=True).items[0].tolist()[0] == 1


def test_the_texts_of_the_same_products_are_learned_once_and_alternatives_follow_the_sales(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def multiply_and_count(*arguments: Any) -> csr_array:
        calls.append(arguments)
        return multiply_top_k_rows(*arguments)

    monkeypatch.setattr(content, "multiply_top_k_rows", multiply_and_count)
    interactions, products = make_shop(["green tea", "green tea", "green leaves"])
    first = Content().fit(interactions.select(interactions.item != 1), products)
    second = Content().fit(interactions.select(interactions.item != 0), products)
    assert len(calls) == 1
    fresh = Content().fit(interactions.select(interactions.item != 0), replace(products))
    assert first.find_similar(2)[0].tolist() == [0]
    assert second.find_similar(2)[0].tolist() == fresh.find_similar(2)[0].tolist() == [1]
    Content(price_weight=1.0).fit(interactions, products)
    assert len(calls) == 3
    with pytest.raises(ValueError, match="products describe"):
        Content().fit(make_random_interactions(), products)
