"""The head of a query, and documents that have it when none has all words."""

import numpy as np
import pytest

from recommendations.engine.text_search import Documents, Matches, Synonyms, TextIndex
from recommendations.engine.text_search.heads import find_head, find_title_heads


def make_index(*titles: str) -> TextIndex:
    return TextIndex.of(Documents([[str(row)] for row in range(len(titles))], {"title": titles}))


def list_best(matches: Matches) -> list[int]:
    return matches.rows[np.lexsort((matches.rows, -matches.scores, -matches.levels))].tolist()


@pytest.mark.parametrize(
    ("query", "head"),
    [("sliced bread", "bread"), ("milk 1 gallon", "milk"), ("shampoo for kids", "shampoo"), ("cleaning supply", "cleaning"), ("box", "box"),
     ("7 up", "up"), ("coffee without sugar 12 oz", "coffee"),
     ("noodle instant", "noodle"), ("egg large", "egg"), ("frozen", "frozen"), ("t shirt black", "shirt")],
)  # fmt: skip
def test_the_head_is_the_last_word_that_names_a_product(query: str, head: str) -> None:
    words = query.split()
    position = find_head(words, [True] * len(words))
    assert position is not None
    assert words[position] == head


def test_a_query_without_required_words_has_no_head() -> None:
    assert find_head(["the"], [False]) is None


def test_products_with_the_head_come_before_products_with_the_rarer_word() -> None:
    index = make_index("Cheese slices", *[f"Bread {kind}" for kind in ("white", "brown", "rye", "wheat")])
    matches = index.search("bread")
    assert len(matches.rows) == 4
    assert list_best(index.search("sliced bread")) == [1, 2, 3, 4, 0]


def test_a_product_with_all_words_comes_first() -> None:
    index = make_index("Bread", "Sliced bread", "Sliced cheese")
    matches = index.search("sliced bread")
    assert list_best(matches)[0] == 1
    assert matches.levels.max() == matches.full_level


def test_words_of_the_shopper_are_optional() -> None:
    index = make_index("Milk", "Cheap cream", "Cream")
    assert index.search("cheap milk").rows.tolist() == [0]
    assert index.search("best milk").corrected is None


def test_a_group_that_repeats_its_name_prefers_the_name() -> None:
    synonyms = Synonyms.of([(("muffin", "cupcake"), ("muffin", "snack cake"))])
    index = make_index("Snack cake", "Muffin, blueberry and banana, four in a box")
    assert list_best(index.search("muffin", synonyms=synonyms)) == [1, 0]


def test_a_word_with_synonyms_is_no_misspelling() -> None:
    synonyms = Synonyms.of([(("rocket", "arugula"), ())])
    index = make_index("Pocket", "Salad")
    assert index.search("rocket salad", synonyms=synonyms).rows.tolist() == [1]
    assert index.search("rocket salad").corrected == "pocket salad"


def test_chinese_characters_are_names_only_if_no_product_has_the_word() -> None:
    synonyms = Synonyms.of([(("绿",), ("green",)), (("茶",), ("tea",)), (("蓝",), ("blue",))])
    assert list_best(make_index("Green tea", "Green apple").search("绿茶", synonyms=synonyms))[0] == 0
    assert make_index("Blue kettle", "蓝牙耳机").search("蓝牙", synonyms=synonyms).rows.tolist() == [1]


@pytest.mark.parametrize(
    ("title", "heads"),
    [
        ("Potato chips, 11 oz", "chips"),
        ("Potatoes russet, 5 lb", "potatoes , russet"),
        ("Chilled 100% orange juice", "juice"),
        ("Chicken breast boneless", "breast"),
        ("Soft drinks 12-pack cans, 12 oz", "drinks"),
        ("Men's running shoes - white", "shoes"),
        ("Shampoo for kids", "shampoo"),
        ("12 oz", ""),
        ("", ""),
    ],
)
def test_the_heads_of_a_title_are_its_last_noun_and_plurals(title: str, heads: str) -> None:
    assert find_title_heads(title) == heads
