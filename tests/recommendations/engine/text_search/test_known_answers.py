"""Search results among twelve products, checked by hand."""

import math

import numpy as np
import pytest

from recommendations.engine.text_search import FIELDS, Documents, Matches, Synonyms, TextIndex
from recommendations.engine.text_search.segment import K1

PRODUCTS = [
    # product id, SKU, title, brand, category, description
    ("p1", "KET-1", "Blue electric kettle 1.7 l", "Hearth", "Kitchen > Kettles", "stainless steel inside"),
    ("p2", "KET-2", "Red kettle", "Hearth", "Kitchen > Kettles", "for the stove"),
    ("p3", "POT-1", "Glass teapot", "Leaf", "Kitchen > Teapots", "with a steel strainer"),
    ("p4", "CUP-4", "Café crème cups, set of 4", "Leaf", "Kitchen > Cups", ""),
    ("p5", "SHI-1", "Men's T-Shirt blue", "Basic", "Clothes > Shirts", "organic cotton"),
    ("p6", "DRE-1", "Summer dresses bundle", "Basic", "Clothes > Dresses", ""),
    ("p7", "TV-55", "Television 55 inch", "Bright", "Electronics > TV", ""),
    ("p8", "HP-1", "无线蓝牙耳机", "小声", "数码 > 耳机", "主动降噪"),
    ("p9", "HP-2", "蓝牙运动耳机", "小声", "数码 > 耳机", ""),
    ("p10", "BOT-1", "不锈钢保温杯 500ml", "暖家", "厨房 > 杯子", ""),
    ("p11", "TEA-1", "龙井绿茶 250g", "山间", "食品 > 茶叶", ""),
    ("p12", "TEA-2", "Green tea bags", "Leaf", "Food > Tea", "龙井"),
]


def make_documents(products: list[tuple[str, ...]]) -> Documents:
    columns = list(zip(*products, strict=True))
    names = ("title", "brand", "category", "description")
    return Documents(
        [[product_id, sku] for product_id, sku in zip(columns[0], columns[1], strict=True)],
        dict(zip(names, columns[2:], strict=True)),
    )


@pytest.fixture(scope="module")
def index() -> TextIndex:
    return TextIndex.of(make_documents(PRODUCTS))


def rank_ids(matches: Matches) -> list[str]:
    order = np.lexsort((matches.rows, -matches.scores, -matches.n_covered))
    return [PRODUCTS[row][0] for row in matches.rows[order].tolist()]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("red kettle", ["p2", "p1"]),  # all words first, then some of them
        ("kettles", ["p2", "p1"]),  # the shorter title first
        ("KETTLE", ["p2", "p1"]),
        ("kett", ["p2", "p1"]),  # unfinished
        ("ketle", ["p2", "p1"]),  # a letter is missing
        ("kettel", ["p2", "p1"]),  # two letters are swapped
        ("telewision", ["p7"]),
        ("telivisoin", ["p7"]),  # two edits in a word of eight letters and more
        ("cafe creme", ["p4"]),
        ("ＣＡＦＥ", ["p4"]),  # full width
        ("dress", ["p6"]),
        ("t-shirt", ["p5"]),
        ("tshirt", ["p5"]),
        ("mens shirt", ["p5"]),
        ("1.7l", ["p1"]),
        ("耳机", ["p8", "p9"]),
        ("蓝牙耳机", ["p8", "p9"]),  # adjacent in one product, apart in the other
        ("无线耳机", ["p8", "p9"]),  # all four characters in one, two in the other
        ("保温杯500ML", ["p10"]),
        ("杯", ["p10"]),
        ("龙井", ["p11", "p12"]),  # a title weighs more than a description
        ("龙井 green", ["p12", "p11"]),
        ("the kettle for tea", ["p2", "p12", "p1"]),  # "the" and "for" are optional
        ("绿牙", ["p11", "p8", "p9"]),  # single characters, as no pair matches
    ],
)
def test_queries_rank_products_in_the_expected_order(index: TextIndex, query: str, expected: list[str]) -> None:
    assert rank_ids(index.search(query))[: len(expected)] == expected


@pytest.mark.parametrize(
    ("query", "unexpected"),
    [
        ("kettle", {"p3"}),
        ("tea ", {"p3"}),  # the space ends the word, so it is not a prefix of teapot
        ("18", {"p1", "p4", "p7", "p10", "p11"}),  # numbers are never corrected
        ("蓝牙耳机", {"p10", "p11"}),
        ("cup", {"p8", "p9", "p12"}),  # three letters are too short for a correction
        ("for", {"p1", "p5"}),
    ],
)
def test_queries_do_not_match_other_products(index: TextIndex, query: str, unexpected: set[str]) -> None:
    assert unexpected.isdisjoint(rank_ids(index.search(query)))


def test_product_id_and_sku_rank_their_product_first(index: TextIndex) -> None:
    for text, row in (("p7", 6), ("TV-55", 6), (" tv-55 ", 6), ("ket-2", 1)):
        matches = index.search(text)
        assert matches.exact.tolist() == [row]
        assert row in matches.rows.tolist()
        assert matches.scores[matches.rows.tolist().index(row)] == matches.scores.max()
    assert index.search("ket-3").exact.tolist() == []


def test_score_matches_the_formula(index: TextIndex) -> None:
    matches = index.search("glass ")
    title, b = FIELDS["title"].weight, FIELDS["title"].b
    frequency = title / (1 - b + b * 2 / index.pivots["title"])
    idf = math.log(1 + (12 - 1 + 0.5) / (1 + 0.5))
    assert matches.rows.tolist() == [2]
    assert float(matches.scores[0]) == pytest.approx(idf * frequency / (K1 + frequency), rel=1e-4)


def test_pivot_is_the_mean_length_of_a_field(index: TextIndex) -> None:
    # 1.7 and l are two words; a Chinese word has two characters
    titles = [5, 2, 2, 6, 4, 3, 3, 3, 3, 3 + 2, 2 + 2, 3]
    assert index.pivots["title"] == pytest.approx(sum(titles) / 12)


def test_correction_names_the_word_searched_instead(index: TextIndex) -> None:
    assert index.search("red ketle").corrected == "red kettle"
    assert index.search("Telewision 55").corrected == "television 55"
    assert index.search("red kettle").corrected is None
    assert index.search("kett").corrected is None, "an unfinished word is not a misspelling"
    assert index.search("qqqqqq").corrected is None


def test_synonyms_work_both_ways_or_one_way(index: TextIndex) -> None:
    both = Synonyms.of([(["tv set", "television"], []), (["耳麦", "耳机", "headphones"], [])])
    assert rank_ids(index.search("tv set", synonyms=both))[0] == "p7"
    assert rank_ids(index.search("headphones", synonyms=both)) == ["p8", "p9"]
    assert rank_ids(index.search("蓝牙耳麦", synonyms=both)) == ["p8", "p9"]
    assert rank_ids(index.search("blue headphones kettle", synonyms=both))[0] == "p1"
    one_way = Synonyms.of([(["flask"], ["保温杯"])])
    assert rank_ids(index.search("flask", synonyms=one_way)) == ["p10"]
    assert rank_ids(index.search("保温杯", synonyms=one_way)) == ["p10"]
    boiler = Synonyms.of([(["water boiler"], ["electric kettle"])])
    assert rank_ids(index.search("water boiler", synonyms=boiler))[0] == "p1"


def test_synonym_scores_less_than_the_word_itself() -> None:
    index = TextIndex.of(Documents([["a"], ["b"]], {"title": ["sofa", "couch"]}))
    matches = index.search("sofa", synonyms=Synonyms.of([(["sofa", "couch"], [])]))
    assert matches.rows.tolist() == [0, 1]
    assert matches.scores[0] > matches.scores[1] > 0


def test_only_allowed_rows_match_and_count_as_full_matches(index: TextIndex) -> None:
    allowed = np.ones(12, np.bool_)
    allowed[1] = False
    assert rank_ids(index.search("red kettle", allowed=allowed)) == ["p1"], (
        "a partial match, as no allowed product has all words"
    )
    assert index.search("p2", allowed=allowed).exact.tolist() == []


def test_highlight_marks_matching_words(index: TextIndex) -> None:
    assert index.search("kettles").highlight("Red Kettle, small") == [
        ("Red ", False),
        ("Kettle", True),
        (", small", False),
    ]
    assert index.search("kett").highlight("kettles") == [("kettles", True)]
    assert index.search("耳机").highlight("无线耳机") == [("无线", False), ("耳机", True)]
    assert index.search("kettle").highlight("") == []


def test_completions_are_the_words_of_most_documents(index: TextIndex) -> None:
    assert index.complete("ke", n=3) == ["kettle"]
    assert index.complete("te", n=2) == ["tea", "teapot"], "equal counts are in alphabetical order"
    assert index.complete("zz", n=3) == []


@pytest.mark.parametrize(
    "query", ["", " ", "🍵", "!?", "\x00", "́", "' OR 1=1 --", "<b>x</b>", "שלום", "a" * 10_000, "中" * 500]
)
def test_odd_queries_never_fail(index: TextIndex, query: str) -> None:
    assert len(index.search(query).rows) <= 12


def test_invalid_documents_are_rejected_with_a_reason() -> None:
    with pytest.raises(ValueError, match="'name'"):
        Documents([["a"]], {"name": ["x"]})
    with pytest.raises(ValueError, match="title has 2 texts for 1 documents"):
        Documents([["a"]], {"title": ["x", "y"]})
