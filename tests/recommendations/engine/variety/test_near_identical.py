"""Groups of nearly identical products, from unit vectors whose angles are known."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.sparse import csr_array

from recommendations.engine import IdMap, Interactions, Products
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.linear_algebra.sparse import multiply_top_k_rows, transpose
from recommendations.engine.variety.near_identical import find_near_identical, group_equal_titles

NEAR = 25.0  # degrees; the cosine of 25.84° is 0.9


def make_content(degrees: list[float], *, k: int = 50) -> Content:
    """Return a content model of products whose vectors point in these directions."""
    angles = np.radians(degrees)
    content = Content(k=k)
    content.vectors_ = csr_array(np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32))
    content.term_documents_ = transpose(content.vectors_)
    content.document_ = np.arange(len(degrees), dtype=np.int32)
    content.neighbors_ = content._find_similar_items(
        np.ones(len(degrees)), multiply_top_k_rows(content.vectors_, content.term_documents_, content.k + 1)
    )
    return content


def find_groups(degrees: list[float], popularity: list[float], *, k: int = 50) -> list[int]:
    return find_near_identical(make_content(degrees, k=k), np.array(popularity)).tolist()


def test_products_with_a_cosine_of_at_least_09_follow_the_most_popular() -> None:
    assert find_groups([0, NEAR, 80], [1, 5, 1]) == [1, 1, 2]
    assert find_groups([0, 27, 80], [1, 5, 1]) == [0, 1, 2]


def test_a_chain_is_not_one_group() -> None:
    assert find_groups([0, NEAR, 2 * NEAR], [3, 2, 1]) == [0, 0, 2]
    # its middle is near both ends, and both are near it
    assert find_groups([0, NEAR, 2 * NEAR], [2, 3, 1]) == [1, 1, 1]
    assert find_groups([0, 20, 40, 60, 80], [5, 4, 3, 2, 1]) == [0, 0, 2, 2, 4]


def test_equal_popularity_is_decided_by_the_row() -> None:
    assert find_groups([0, NEAR, 2 * NEAR], [1, 1, 1]) == [0, 0, 2]


@pytest.mark.parametrize("k", [2, 50])
def test_a_group_may_have_more_products_than_the_neighbors_that_are_stored(k: int) -> None:
    degrees: npt.NDArray[np.float64] = np.linspace(0, 10, 20)
    assert find_groups([*degrees, 80, 85], [*range(22)], k=k) == [19] * 20 + [21] * 2


def test_products_with_equal_texts_are_one_group_and_products_without_words_none() -> None:
    titles = ["green tea", "green tea", "motor oil", "", ""]
    interactions = Interactions.from_ids(
        user_ids=["a"], item_ids=["p1"], items=IdMap.of([f"p{n}" for n in range(len(titles))])
    )
    content = Content().fit(interactions, Products.of_columns({"title": titles}))
    popularity = np.bincount(interactions.item, minlength=len(titles))
    assert find_near_identical(content, popularity).tolist() == [1, 1, 2, 3, 4]


def test_a_shop_with_one_product_has_one_group() -> None:
    assert find_groups([10], [1]) == [0]


def test_equal_titles_of_one_brand_and_category_are_one_group_whatever_their_attributes() -> None:
    texts = {
        "title": ["Strawberries, 16 oz", "strawberries,  16 oz", "Strawberries, 16 oz", "Strawberries, 1 lb", "", ""],
        "brand": ["National", "National", "Own", "National", "", ""],
        "category": ["Berries"] * 6,
        "attributes": ["manufacturer=1", "manufacturer=2", "", "", "", ""],
    }
    assert group_equal_titles(texts, np.array([1, 5, 1, 1, 1, 1])).tolist() == [1, 1, 2, 3, 4, 5]
    # all products of a title join the group that its most popular product has
    near = np.array([0, 3, 2, 3, 4, 0], np.int32)
    assert group_equal_titles(texts, np.array([1, 5, 1, 9, 1, 1]), near).tolist() == [3, 3, 2, 3, 4, 0]
    assert group_equal_titles({}, np.ones(2)).tolist() == [0, 1]
