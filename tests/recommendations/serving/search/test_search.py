"""Matches, facets and order of a search."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from catalog.models import Product
from catalog.upsert import upsert_products
from recommendations.engine.text_search import ScoredQuery
from recommendations.serving.rest.search.response import encode_hits
from recommendations.serving.search import searcher
from recommendations.serving.search.facets import Facets
from recommendations.serving.search.ranking import insert_pins
from recommendations.serving.search.request import InvalidSearchError, SearchRequest, SearchSort
from recommendations.serving.search.search import SearchPage, search
from recommendations.serving.search.searcher import Searcher
from tests.makers import NOON

pytestmark = pytest.mark.usefixtures("shop_of_twelve")


def find(fresh_searcher: Searcher, q: str = "", *, options: dict[str, Any] | None = None, **fields: Any) -> SearchPage:
    """Return the page of a request with these fields. options: further arguments of `search`, such as rules."""
    snapshot = fresh_searcher.get_snapshot(now=NOON)
    return search(SearchRequest(q=q, **fields), snapshot=snapshot, **(options or {}))


def list_ids(page: SearchPage) -> list[str]:
    return [page.snapshot.catalog.product_ids[hit.row] for hit in page.hits]


def list_best(page: SearchPage, *product_ids: str) -> str:
    """Return which of the products comes first on the page."""
    return next(product_id for product_id in list_ids(page) if product_id in product_ids)


def get_counts(values: Any) -> dict[str, int]:
    return {entry.value: entry.count for entry in values}


def test_inactive_and_sold_out_products_are_not_found(fresh_searcher: Searcher) -> None:
    assert sorted(list_ids(find(fresh_searcher, "kettle"))) == ["k1", "k2", "k3"]
    assert sorted(list_ids(find(fresh_searcher, "kettle", in_stock=False))) == ["k1", "k2", "k3", "k4"]


def test_words_of_title_brand_category_attributes_and_tags_are_found(fresh_searcher: Searcher) -> None:
    for query, expected in (
        ("hearth kettle", {"k1", "k2"}),
        ("clothes", {"s1"}),
        ("bestseller", {"k1"}),
        ("whistling", {"k2"}),
    ):
        assert set(list_ids(find(fresh_searcher, query))[: len(expected)]) == expected
    assert list_ids(find(fresh_searcher, "blue kettle"))[:2] == ["k1", "k3"], (
        "blue as an attribute counts less than in the title"
    )


def test_chinese_words_are_found_without_spaces(fresh_searcher: Searcher) -> None:
    assert sorted(list_ids(find(fresh_searcher, "蓝牙耳机"))) == ["h1", "h2"]
    assert list_ids(find(fresh_searcher, "保温"))[0] == "b1"
    assert find(fresh_searcher, "小声").total == 2


def test_filters_apply(fresh_searcher: Searcher) -> None:
    assert sorted(list_ids(find(fresh_searcher, category="Kitchen"))) == ["c1", "k1", "k2", "k3", "p1"]
    assert sorted(list_ids(find(fresh_searcher, category="Kitchen > Cups"))) == ["c1"]
    assert sorted(list_ids(find(fresh_searcher, "kettle", brand="Hearth"))) == ["k1", "k2"]
    assert sorted(list_ids(find(fresh_searcher, price_min=Decimal("18"), price_max=Decimal("24.00")))) == [
        "c1",
        "k2",
        "p1",
    ]
    assert sorted(list_ids(find(fresh_searcher, attributes={"color": "blue"}))) == ["k1", "k3", "s1"]
    assert sorted(list_ids(find(fresh_searcher, attributes={"color": "blue"}, category="Kitchen", brand="Leaf"))) == [
        "k3"
    ]
    assert sorted(list_ids(find(fresh_searcher, product_ids=("k1", "h1", "k5", "never heard of")))) == ["h1", "k1"]


def test_facets_count_the_matching_products(fresh_searcher: Searcher) -> None:
    facets = find(fresh_searcher, "kettle").facets
    assert get_counts(facets.brand) == {"Hearth": 2, "Leaf": 1}
    assert get_counts(facets.attributes["color"]) == {"blue": 2, "red": 1}
    assert sum(entry.count for entry in facets.price) == 3
    assert get_counts(find(fresh_searcher).facets.category) == {
        "Kitchen": 5,
        "数码": 2,
        "Clothes": 1,
        "Electronics": 1,
        "厨房": 1,
    }
    assert get_counts(find(fresh_searcher, category="Kitchen").facets.category) == {
        "Kitchen > Kettles": 3,
        "Kitchen > Teapots": 1,
        "Kitchen > Cups": 1,
    }


def test_a_facet_with_an_active_filter_lists_its_other_values(fresh_searcher: Searcher) -> None:
    facets = find(fresh_searcher, "kettle", brand="Leaf", attributes={"color": "blue"}).facets
    assert get_counts(facets.brand) == {"Hearth": 1, "Leaf": 1}, "of blue kettles"
    assert get_counts(facets.attributes["color"]) == {"blue": 1}, "of Leaf's kettles"
    priced = find(fresh_searcher, "kettle", price_max=Decimal(15)).facets
    assert get_counts(priced.brand) == {"Leaf": 1}
    assert sum(entry.count for entry in priced.price) == 3, "of kettles at any price"


def test_a_price_range_counts_the_products_that_its_filter_finds(fresh_searcher: Searcher) -> None:
    ranges = find(fresh_searcher).facets.price
    assert len(ranges) >= 3
    for price_range in ranges:
        low = None if price_range.low is None else Decimal(f"{price_range.low:.2f}")
        high = None if price_range.high is None else Decimal(f"{price_range.high:.2f}")
        assert find(fresh_searcher, price_min=low or Decimal(0), price_max=high).total == price_range.count


def test_facets_can_be_switched_off(fresh_searcher: Searcher) -> None:
    assert find(fresh_searcher, "kettle", facets=False).facets == Facets()


def test_results_are_sorted_by_price(fresh_searcher: Searcher) -> None:
    assert list_ids(find(fresh_searcher, "kettle", sort=SearchSort.CHEAPEST)) == ["k3", "k2", "k1"]
    assert list_ids(find(fresh_searcher, "kettle", sort=SearchSort.MOST_EXPENSIVE)) == ["k1", "k2", "k3"]
    everything = list_ids(find(fresh_searcher, sort=SearchSort.CHEAPEST))
    assert everything[0] == "k3"
    assert everything[-1] == "t1", "products without a price come last"


def test_pages_follow_each_other_without_gaps_or_repeats(fresh_searcher: Searcher) -> None:
    for fields in ({}, {"q": "leaf kettle kitchen"}, {"sort": SearchSort.MOST_EXPENSIVE}):
        whole = list_ids(find(fresh_searcher, n=100, **fields))
        product_ids: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = find(fresh_searcher, n=3, cursor=cursor, **fields)
            first_rank = len(product_ids) + 1
            assert [hit.rank for hit in page.hits] == list(range(first_rank, first_rank + len(page.hits)))
            product_ids += list_ids(page)
            cursor = page.next_cursor
        assert product_ids == whole


@pytest.mark.parametrize("cursor", ["???", "MA", "é", "AAAA", "x" * 150])
def test_an_unknown_cursor_is_rejected(fresh_searcher: Searcher, cursor: str) -> None:
    with pytest.raises(InvalidSearchError) as caught:
        find(fresh_searcher, "kettle", cursor=cursor)
    assert list(caught.value.errors) == ["cursor"]


def test_a_distinct_search_shows_one_product_of_each_group(fresh_searcher: Searcher) -> None:
    Product.objects.filter(product_id__in=["k1", "k2", "p1"]).update(parent_id="k")
    every = find(fresh_searcher, "kettle")
    distinct = find(fresh_searcher, "kettle", distinct=True)
    assert (sorted(list_ids(every)), every.total) == (["k1", "k2", "k3"], 3)
    assert list_ids(distinct) == [name for name in list_ids(every) if name in ("k3", list_best(every, "k1", "k2"))]
    assert distinct.total == 2
    assert list_ids(find(fresh_searcher, "red kettle", distinct=True))[0] == "k2", "the variant that matches best"
    assert list_ids(find(fresh_searcher, sort=SearchSort.CHEAPEST, category="Kitchen", distinct=True)) == [
        "k3",
        "c1",
        "k2",
    ]


def test_facets_of_a_distinct_search_count_groups(fresh_searcher: Searcher) -> None:
    Product.objects.filter(product_id__in=["k1", "k2", "p1"]).update(parent_id="k", brand="Hearth")
    every = find(fresh_searcher, category="Kitchen").facets
    distinct = find(fresh_searcher, category="Kitchen", distinct=True)
    assert get_counts(every.category) == {"Kitchen > Kettles": 3, "Kitchen > Cups": 1, "Kitchen > Teapots": 1}
    assert distinct.total == 3
    assert get_counts(distinct.facets.category) == {
        "Kitchen > Kettles": 2,  # a group that is in two categories counts in both, as a search in either finds it
        "Kitchen > Cups": 1,
        "Kitchen > Teapots": 1,
    }
    assert get_counts(every.brand)["Hearth"] == 3
    assert get_counts(distinct.facets.brand)["Hearth"] == 1
    assert get_counts(distinct.facets.attributes["color"]) == {"blue": 2, "red": 1}
    for entry in distinct.facets.price:
        low, high = (None if end is None else Decimal(f"{end:.2f}") for end in (entry.low, entry.high))
        within = find(fresh_searcher, category="Kitchen", distinct=True, price_min=low, price_max=high)
        assert within.total == entry.count
    kettles = find(fresh_searcher, "kettle", category="Kitchen > Kettles", distinct=True, attributes={"color": "red"})
    assert get_counts(kettles.facets.attributes["color"]) == {"blue": 2, "red": 1}
    assert (get_counts(kettles.facets.brand), kettles.total) == ({"Hearth": 1}, 1)


def test_no_group_is_on_two_pages_of_a_distinct_search(fresh_searcher: Searcher) -> None:
    Product.objects.filter(product_id__in=["k1", "k2", "k3", "p1", "c1"]).update(parent_id="kitchen")
    shown: list[str] = []
    cursor = ""
    while True:
        page = find(fresh_searcher, distinct=True, n=2, cursor=cursor)
        shown += list_ids(page)
        if not page.next_cursor:
            break
        cursor = page.next_cursor
    assert len(shown) == len(set(shown)) == page.total == 6
    with pytest.raises(InvalidSearchError):
        find(fresh_searcher, n=2, cursor=find(fresh_searcher, distinct=True, n=2).next_cursor or "")


def test_a_pinned_variant_replaces_the_others_of_its_group(fresh_searcher: Searcher) -> None:
    Product.objects.filter(product_id__in=["k1", "k2", "k3"]).update(parent_id="k")
    catalog = fresh_searcher.get_snapshot(now=NOON).catalog
    rules = FakeRules(pins=[(1, catalog.find_row("k3"))])
    assert list_ids(find(fresh_searcher, "kettle", distinct=True, options={"rules": rules})) == ["k3"]


def test_a_cursor_of_another_search_is_rejected(fresh_searcher: Searcher) -> None:
    cursor = find(fresh_searcher, n=2).next_cursor
    assert cursor is not None
    with pytest.raises(InvalidSearchError):
        find(fresh_searcher, "kettle", n=2, cursor=cursor)


def test_popular_products_replace_an_empty_page_unless_strict(fresh_searcher: Searcher) -> None:
    popular_row = fresh_searcher.get_snapshot(now=NOON).catalog.find_row("b1")
    popularity = {"popularity": lambda rows: (rows == popular_row).astype(np.float32)}
    page = find(fresh_searcher, "xylophone", options=popularity)
    assert (page.total, page.fallback, page.next_cursor) == (0, "popular", None)
    assert list_ids(page)[0] == "b1"
    assert ("product", "不锈钢保温杯") in [(entry.kind, entry.text) for entry in page.suggestions]
    assert find(fresh_searcher, "xylophone", strict=True).hits == []
    assert find(fresh_searcher, "kettle", price_min=Decimal(10**6)).hits == []
    impossible = find(fresh_searcher, "kettle", price_min=Decimal(10**6), strict=False)
    assert impossible.fallback == "catalogue", "nothing is known about sales"
    assert len(impossible.hits) == 10, "filters that no product passes are dropped on request"
    assert find(fresh_searcher, product_ids=("never heard of",)).hits == []


def test_the_fallback_has_one_product_of_each_group_in_its_own_order(fresh_searcher: Searcher) -> None:
    Product.objects.filter(product_id__in=["k1", "k2", "k3"]).update(parent_id="k")
    Product.objects.filter(product_id="c1").update(published_at=NOON)
    Product.objects.filter(product_id="k3").update(published_at=NOON - timedelta(days=1))
    catalog = fresh_searcher.get_snapshot(now=NOON).catalog
    values = np.zeros(catalog.n, np.float32)
    for place, product_id in enumerate(["h1", "k2", "k1", "k3"]):
        values[catalog.find_row(product_id)] = 1 - place / 10
    for sort in SearchSort:
        sold = find(fresh_searcher, "xylophone", sort=sort, options={"popularity": lambda rows: values[rows]})
        assert (sold.fallback, list_ids(sold)[:2]) == ("popular", ["h1", "k2"])
        assert not {"k1", "k3"} & set(list_ids(sold))
        for options in ({}, {"popularity": lambda rows: np.zeros(len(rows), np.float32)}):
            unsold = find(fresh_searcher, "xylophone", sort=sort, options=options)
            assert (unsold.fallback, list_ids(unsold)[:2]) == ("catalogue", ["c1", "k3"])
            assert not {"k1", "k2"} & set(list_ids(unsold))
    products = [entry.text for entry in sold.suggestions if entry.kind == "product"]
    assert len(products) == len(set(products)) == 5


def test_products_without_a_date_are_sorted_by_their_addition(fresh_searcher: Searcher) -> None:
    Product.objects.update(created_at=NOON - timedelta(days=9), published_at=None)
    for days, product_id in enumerate(["p1", "c1", "s1"]):
        Product.objects.filter(product_id=product_id).update(created_at=NOON - timedelta(days=days))
    assert list_ids(find(fresh_searcher, sort=SearchSort.NEWEST))[:3] == ["p1", "c1", "s1"]


def test_a_fallback_is_called_popular_only_for_products_that_enough_people_chose(
    fresh_searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = fresh_searcher.get_snapshot(now=NOON).catalog
    values, people = np.zeros(catalog.n, np.float32), np.zeros(catalog.n, np.int32)
    values[[catalog.find_row("b1"), catalog.find_row("k1")]] = 1.0, 0.5
    people[[catalog.find_row("b1"), catalog.find_row("k1")]] = 5, 4
    page = find(fresh_searcher, "xylophone", options={"popularity": lambda rows: values[rows]})
    support = page.snapshot.state.reason_support
    monkeypatch.setitem(vars(support), "_people", people)
    assert support.minimum == 5
    items = msgspec.json.decode(encode_hits(page))
    assert [item["reason"]["code"] for item in items[:2]] == ["search_popular", "search_catalogue"]
    assert {item["reason"]["text"] for item in items[1:]} == {"From our catalog"}
    assert page.fallback == "popular"


def test_a_misspelled_query_is_corrected(fresh_searcher: Searcher) -> None:
    page = find(fresh_searcher, "ketle")
    assert page.corrected == "kettle"
    assert sorted(list_ids(page)) == ["k1", "k2", "k3"]
    assert (page.suggestions[0].kind, page.suggestions[0].value) == ("query", "kettle")


def test_an_unfinished_word_is_completed_in_the_suggestions(fresh_searcher: Searcher) -> None:
    suggestions = find(fresh_searcher, "glass tea").suggestions
    assert [entry.value for entry in suggestions if entry.kind == "query"] == ["glass teapot"]


def test_matching_categories_are_suggested_if_few_products_match(fresh_searcher: Searcher) -> None:
    suggestions = find(fresh_searcher, "kettle").suggestions
    assert [entry.value for entry in suggestions if entry.kind == "category"] == ["Kitchen > Kettles"]


def test_a_word_of_a_longer_synonym_suggests_no_category(fresh_searcher: Searcher) -> None:
    names = ("Outdoor > Water guns", "Outdoor > Water boilers")
    items = [{"product_id": name, "title": "Splash", "category": name} for name in names]
    upsert_products(items=items, at=NOON, currency="EUR")
    suggestions = find(fresh_searcher, "kettle", language="en").suggestions
    categories = [entry.value for entry in suggestions if entry.kind == "category"]
    assert categories == ["Kitchen > Kettles", "Outdoor > Water boilers"]
    misspelled = find(fresh_searcher, "ketle", language="en").suggestions
    assert [entry.value for entry in misspelled if entry.kind == "category"] == categories


def list_suggestions(page: SearchPage) -> list[tuple[str, str]]:
    return [(entry.kind, entry.value) for entry in page.suggestions if entry.kind != "product"]


HIDDEN: list[dict[str, Any]] = [
    {"product_id": "inactive", "title": "Zanzibarium gadget", "category": "Secret > Launch", "is_active": False},
    {"product_id": "planned", "title": "Quantumizer", "category": "Future", "published_at": "2099-01-01T00:00:00Z"},
    {"product_id": "sold out", "title": "Soldoutium lamp", "category": "Lamps", "stock": 0},
    {"product_id": "ruled out", "title": "Embargonium phone", "category": "Phones"},
]


@pytest.fixture
def hidden_products(shop_of_twelve: None) -> None:
    upsert_products(items=HIDDEN, at=NOON, currency="EUR")


def hide(fresh_searcher: Searcher, product_id: str) -> dict[str, Any]:
    """Return the options of a search with a rule that hides a product."""
    catalog = fresh_searcher.get_snapshot(now=NOON).catalog
    allowed = np.ones(catalog.n, np.bool_)
    allowed[catalog.find_row(product_id)] = False
    return {"rules": FakeRules(allowed=allowed)}


@pytest.mark.usefixtures("hidden_products")
@pytest.mark.parametrize(
    "query",
    ["zanzib", "zanzibariun", "quantum", "quantumiser", "soldout", "soldoutiun", "embargo", "embargoniun", "gadget",
     "secret", "launch", "future", "lamps", "phones"],
)  # fmt: skip
def test_words_and_categories_of_hidden_products_are_not_suggested(fresh_searcher: Searcher, query: str) -> None:
    page = find(fresh_searcher, query, options=hide(fresh_searcher, "ruled out"))
    assert (page.total, page.corrected, list_suggestions(page)) == (0, None, [])


@pytest.mark.usefixtures("hidden_products")
def test_products_that_are_shown_again_are_suggested_again(fresh_searcher: Searcher) -> None:
    options = hide(fresh_searcher, "ruled out")
    for _round in range(2):  # the words of one visitor are not those of another
        assert find(fresh_searcher, "embargoniun", options=options).corrected is None
        assert find(fresh_searcher, "embargoniun").corrected == "embargonium"
    assert find(fresh_searcher, "soldoutiun", in_stock=False).corrected == "soldoutium"
    assert list_suggestions(find(fresh_searcher, "phones")) == [("category", "Phones")]


def test_a_word_of_a_hidden_product_does_not_keep_it_from_being_corrected(fresh_searcher: Searcher) -> None:
    items = [{"product_id": "old", "title": "Kettel de luxe", "category": "Kitchen", "is_active": False}]
    upsert_products(items=items, at=NOON, currency="EUR")
    page = find(fresh_searcher, "kettel")
    assert (page.corrected, sorted(list_ids(page))) == ("kettle", ["k1", "k2", "k3"])
    assert find(fresh_searcher, "kettel red").corrected == "kettle red"


def test_a_completed_query_has_products_with_all_of_its_words(fresh_searcher: Searcher) -> None:
    assert list_suggestions(find(fresh_searcher, "glass te")) == [("query", "glass teapot")]
    assert list_suggestions(find(fresh_searcher, "glass telev")) == []
    assert ("query", "blue kettle") in list_suggestions(find(fresh_searcher, "blue kettl"))


def test_scored_queries_are_kept_while_no_product_is_shown_or_hidden(fresh_searcher: Searcher) -> None:
    snapshot = fresh_searcher.get_snapshot(now=NOON)
    visible = np.ones(len(snapshot.texts), np.bool_)

    def score(mask: npt.NDArray[np.bool_]) -> ScoredQuery:
        return snapshot.score_query("kettle", "en", None, visible=mask)

    first = score(visible)
    assert score(visible.copy()) is first
    for row in range(len(visible)):
        hidden = np.arange(len(visible)) != row
        assert score(hidden) is not first
        assert row not in score(hidden).find_matches().rows
    assert score(visible) is first


def make_personal_scores(fresh_searcher: Searcher, **scores: float) -> dict[str, Any]:
    catalog = fresh_searcher.get_snapshot(now=NOON).catalog
    values = np.zeros(catalog.n, np.float32)
    for product_id, score in scores.items():
        values[catalog.find_row(product_id)] = score
    return {"personal_scores": lambda rows: values[rows]}


def test_personal_scores_change_the_order_unless_personalization_is_off(fresh_searcher: Searcher) -> None:
    scores = make_personal_scores(fresh_searcher, k1=1.0)
    general = find(fresh_searcher, "kettle")
    personal = find(fresh_searcher, "kettle", options=scores)
    assert list_ids(general)[0] != "k1"
    assert list_ids(personal)[0] == "k1"
    best = personal.hits[0]
    assert (best.personal, best.score) == (1.5, pytest.approx(best.text**2 * 1.5 * best.category))
    assert best.text == pytest.approx(next(hit.text for hit in general.hits if hit.row == best.row))
    off = find(fresh_searcher, "kettle", options=scores, personalised=False)
    assert list_ids(off) == list_ids(general)


def test_a_personal_score_does_not_lift_a_product_over_one_that_matches_more_words(fresh_searcher: Searcher) -> None:
    scores = make_personal_scores(fresh_searcher, k1=1.0)
    assert list_ids(find(fresh_searcher, "red kettle", options=scores))[0] == "k2"


@dataclass
class FakeRules:
    allowed: npt.NDArray[np.bool_] | None = None
    factors: npt.NDArray[np.float32] | None = None
    pins: list[tuple[int, int]] = field(default_factory=list)


def test_merchandising_rules_apply(fresh_searcher: Searcher) -> None:
    catalog = fresh_searcher.get_snapshot(now=NOON).catalog
    hidden = np.ones(catalog.n, np.bool_)
    hidden[catalog.find_row("k2")] = False
    assert sorted(list_ids(find(fresh_searcher, "kettle", options={"rules": FakeRules(allowed=hidden)}))) == [
        "k1",
        "k3",
    ]
    factors = np.ones(catalog.n, np.float32)
    factors[catalog.find_row("k1")] = 10
    page = find(fresh_searcher, "kettle", options={"rules": FakeRules(factors=factors)})
    assert list_ids(page)[0] == "k1"
    assert page.hits[0].rule == 10


def test_pinned_products_keep_their_positions_on_every_page(fresh_searcher: Searcher) -> None:
    catalog = fresh_searcher.get_snapshot(now=NOON).catalog
    plain = list_ids(find(fresh_searcher, "kettle"))
    rules = FakeRules(pins=[(2, catalog.find_row(plain[2])), (1, catalog.find_row("k4")), (3, catalog.find_row("p1"))])
    page = find(fresh_searcher, "kettle", options={"rules": rules})
    assert list_ids(page) == [plain[0], plain[2], plain[1]], "sold-out products and other products are not pinned"
    assert [hit.pinned for hit in page.hits] == [False, True, False]
    everything = find(fresh_searcher, "", options={"rules": rules})
    assert (list_ids(everything)[1], list_ids(everything)[2]) == (plain[2], "p1")
    pages = [find(fresh_searcher, "kettle", n=2, options={"rules": rules})]
    pages.append(find(fresh_searcher, "kettle", n=2, options={"rules": rules}, cursor=pages[0].next_cursor or ""))
    assert [product for part in pages for product in list_ids(part)] == list_ids(page)
    assert list_ids(find(fresh_searcher, "kettle", brand="Hearth", options={"rules": rules})) == [
        name for name in plain if name in ("k1", "k2")
    ]


def test_pins_of_one_position_follow_each_other_without_those_that_are_not_shown(fresh_searcher: Searcher) -> None:
    catalog = fresh_searcher.get_snapshot(now=NOON).catalog
    plain = list_ids(find(fresh_searcher, "kettle"))
    pinned = [(1, "k4"), (1, plain[2]), (1, "p1"), (1, plain[1]), (1, "t1")]  # sold out or without the word: k4, p1, t1
    rules = FakeRules(pins=[(position, catalog.find_row(product_id)) for position, product_id in pinned])
    page = find(fresh_searcher, "kettle", options={"rules": rules})
    assert list_ids(page) == [plain[2], plain[1], plain[0]]
    assert [hit.pinned for hit in page.hits] == [True, True, False]


def test_pins_beyond_the_end_are_appended() -> None:
    assert insert_pins([0, 1], {9: 7, 0: 5}, upto=20) == [-6, 0, 1, -8]
    assert insert_pins([], {}, upto=3) == []


def test_a_search_makes_no_database_query(
    fresh_searcher: Searcher, django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "REFRESH_INTERVAL_S", 3600.0)
    monkeypatch.setattr("recommendations.serving.state.loader.REFRESH_INTERVAL_SECONDS", 3600.0)
    find(fresh_searcher, "kettle")
    with django_assert_num_queries(0):
        find(fresh_searcher, "blue kettle", brand="Hearth")
        find(fresh_searcher, "")
        find(fresh_searcher, "xylophone")
