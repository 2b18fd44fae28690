"""What comes first: typed words, then the category and the products that sell."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from recommendations.serving.search.request import SearchRequest, SearchSort
from recommendations.serving.search.search import SearchPage, search
from recommendations.serving.search.searcher import Searcher
from tests.makers import NOON, make_product

SALES = {
    "milk": 900, "chocolate-milk": 100, "bar": 300, "butter": 50, "peanut": 70, "bananas": 500, "bandana": 2, "ice": 80, "sandwich": 20,
    "paste": 60, "diapers": 400, "cheap-diapers": 10, "cloth": 1, "soda": 700, "baking-soda": 30, "tissue": 90,
}  # fmt: skip
PRODUCTS = (
    ("milk", "Fluid milk white, 1 gal", "Dairy > Milk"),
    ("chocolate-milk", "Chocolate milk", "Dairy > Milk"),
    ("bar", "Milk caramel bar", "Candy > Bars"),
    ("butter", "Butter, 1 lb", "Dairy > Butter"),
    ("peanut", "Peanut butter", "Pantry > Peanut butter"),
    ("bananas", "Bananas", "Produce > Fruit"),
    ("bandana", "Bandana", "Clothes > Accessories"),
    ("ice", "Premium, 1.5 qt", "Frozen > Ice cream"),
    ("sandwich", "Ice cream sandwich", "Frozen > Ice cream"),
    ("paste", "Toothpaste", "Health > Oral care"),
    ("diapers", "Baby diapers, 40 ct", "Baby > Diapers"),
    ("cheap-diapers", "Baby diapers, 12 ct", "Baby > Diapers"),
    ("cloth", "Diapers cloth bag", "Baby > Accessories"),
    ("soda", "Soft drinks 12 pk", "Drinks > Soft drinks"),
    ("baking-soda", "Baking soda", "Pantry > Baking"),
    ("tissue", "Toilet tissue, 12 ct", "Paper > Bath tissue"),
)


@pytest.fixture
def shop(db: None, folders: Any, valkey: Any) -> None:
    for product_id, title, category in PRODUCTS:
        make_product(product_id, title=title, category=category)


def find(searcher: Searcher, q: str, **fields: Any) -> SearchPage:
    snapshot = searcher.get_snapshot(now=NOON)
    values = np.zeros(snapshot.catalog.n, np.float32)
    for product_id, count in SALES.items():
        values[snapshot.catalog.find_row(product_id)] = (count / 900) ** 0.5
    request = SearchRequest(q=q, strict=True, language="en", **fields)
    return search(request, snapshot=snapshot, popularity=lambda rows: values[rows])


def list_ids(page: SearchPage) -> list[str]:
    return [page.snapshot.catalog.product_ids[hit.row] for hit in page.hits]


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("milk", ["milk", "chocolate-milk"]),  # the category that sells before a bar that sells
        ("chocolate milk", ["chocolate-milk"]),  # typed words before sales
        ("butter", ["butter"]),  # a category of that name before one that sells more
        ("diapers", ["diapers", "cheap-diapers", "cloth"]),
        ("icecream", ["sandwich"]),
        ("ice cream", ["sandwich"]),
        ("tooth paste", ["paste"]),
        ("soda", ["soda"]),  # a built-in synonym, and what sells
        ("baking soda", ["baking-soda"]),
        ("toilet paper", ["tissue"]),
        ("some milk please", ["milk"]),  # stop words
        ("卫生纸", ["tissue"]),
        ("tolet paper", ["tissue"]),  # a misspelled name with synonyms
    ],
)
def test_what_comes_first(fresh_searcher: Searcher, query: str, first: list[str]) -> None:
    assert list_ids(find(fresh_searcher, query))[: len(first)] == first


@pytest.mark.usefixtures("shop")
def test_a_correction_is_the_frequent_word_and_the_only_one_searched(fresh_searcher: Searcher) -> None:
    page = find(fresh_searcher, "bannanas")
    assert page.corrected == "bananas"
    assert list_ids(page) == ["bananas"]
    assert find(fresh_searcher, "bananas").corrected is None
    assert find(fresh_searcher, "choclate milk").corrected == "chocolate milk"


@pytest.mark.usefixtures("shop")
def test_best_selling_products_come_first_on_request(fresh_searcher: Searcher) -> None:
    ids = list_ids(find(fresh_searcher, "milk", sort=SearchSort.BEST_SELLING))
    assert ids == ["milk", "bar", "chocolate-milk"]


@pytest.mark.usefixtures("db", "folders", "valkey")
@pytest.mark.parametrize(
    ("sort", "machines"),
    [
        (SearchSort.CHEAPEST, ["small-machine", "large-machine"]),
        (SearchSort.MOST_EXPENSIVE, ["large-machine", "small-machine"]),
        (SearchSort.NEWEST, ["large-machine", "small-machine"]),
        (SearchSort.BEST_SELLING, ["small-machine", "large-machine"]),
    ],
)
def test_products_with_all_words_come_first_in_every_order(
    fresh_searcher: Searcher, sort: SearchSort, machines: list[str]
) -> None:
    for number in range(8):
        published_at = NOON - timedelta(days=number)
        title = f"Ground coffee blend {number}"
        make_product(f"coffee-{number}", title=title, price=4 + number, published_at=published_at)
        title = f"Sewing machine {number}"
        make_product(f"sewing-{number}", title=title, price=300 + number, published_at=published_at)
    for days, (name, price) in enumerate((("large", 199), ("small", 149)), start=50):
        published_at = NOON - timedelta(days=days)
        make_product(f"{name}-machine", title=f"Coffee machine {name}", price=price, published_at=published_at)
    snapshot = fresh_searcher.get_snapshot(now=NOON)
    values = np.full(snapshot.catalog.n, 0.5, np.float32)
    values[snapshot.catalog.find_row("small-machine")], values[snapshot.catalog.find_row("large-machine")] = 0.2, 0.1

    def list_page(n: int, cursor: str = "") -> SearchPage:
        request = SearchRequest(q="coffee machine", sort=sort, n=n, cursor=cursor)
        return search(request, snapshot=snapshot, popularity=lambda rows: values[rows])

    first = list_page(3)
    assert list_ids(first)[:2] == machines
    assert [hit.match_type for hit in first.hits] == ["all_words", "all_words", "some_words"]
    whole = list_page(100)
    assert len(set(list_ids(whole))) == first.total == 18
    assert list_ids(list_page(3, first.next_cursor or "")) == list_ids(whole)[3:6]


@pytest.mark.usefixtures("shop")
def test_popularity_lifts_no_product_over_one_that_matches_the_words_better(fresh_searcher: Searcher) -> None:
    make_product(
        "cup", title="Cup", category="Kitchen > Cups", description="For hot cocoa, such as from a saucepan, or cold"
    )
    make_product("pan", title="Saucepan", category="Kitchen > Pans")
    snapshot = fresh_searcher.get_snapshot(now=NOON)
    values = np.zeros(snapshot.catalog.n, np.float32)
    values[snapshot.catalog.find_row("cup")] = 1.0
    page = search(
        SearchRequest(q="saucepan", strict=True), snapshot=snapshot, popularity=lambda rows: values[rows],
        personal_scores=lambda rows: values[rows],
    )  # fmt: skip
    assert list_ids(page) == ["pan", "cup"]
