"""What a search finds, counts and puts first."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from recommendations.serving.rest.search.request import InvalidSearchError, SearchRequest, SearchSort
from recommendations.serving.search import searcher
from recommendations.serving.search.facets import Facets
from recommendations.serving.search.search import SearchPage, insert_pins, search
from recommendations.serving.search.searcher import Searcher
from tests.makers import NOON

pytestmark = pytest.mark.usefixtures("shop_of_twelve")


def find(searching: Searcher, q: str = "", *, around: dict[str, Any] | None = None, **wanted: Any) -> SearchPage:
    snapshot = searching.current(now=NOON)
    return search(SearchRequest(q=q, **wanted), snapshot=snapshot, **(around or {}))


def ids(found: SearchPage) -> list[str]:
    return [found.snapshot.catalog.product_ids[hit.row] for hit in found.hits]


def counted(values: Any) -> dict[str, int]:
    return {one.value: one.count for one in values}


def test_only_what_may_be_shown_is_found(searching: Searcher) -> None:
    assert sorted(ids(find(searching, "kettle"))) == ["k1", "k2", "k3"]
    assert sorted(ids(find(searching, "kettle", in_stock=False))) == ["k1", "k2", "k3", "k4"]


def test_words_of_title_brand_category_attributes_and_tags_are_found(searching: Searcher) -> None:
    for query, expected in (
        ("hearth kettle", {"k1", "k2"}),
        ("clothes", {"s1"}),
        ("bestseller", {"k1"}),
        ("whistling", {"k2"}),
    ):
        assert set(ids(find(searching, query))[: len(expected)]) == expected
    assert ids(find(searching, "blue kettle"))[:2] == ["k1", "k3"], "blue as an attribute counts less than in the title"


def test_chinese_is_found_without_spaces(searching: Searcher) -> None:
    assert sorted(ids(find(searching, "蓝牙耳机"))) == ["h1", "h2"]
    assert ids(find(searching, "保温"))[0] == "b1"
    assert find(searching, "小声").total == 2


def test_filters_leave_what_fits_them(searching: Searcher) -> None:
    assert sorted(ids(find(searching, category="Kitchen"))) == ["c1", "k1", "k2", "k3", "p1"]
    assert sorted(ids(find(searching, category="Kitchen > Cups"))) == ["c1"]
    assert sorted(ids(find(searching, "kettle", brand="Hearth"))) == ["k1", "k2"]
    assert sorted(ids(find(searching, price_min=Decimal("18"), price_max=Decimal("24.00")))) == ["c1", "k2", "p1"]
    assert sorted(ids(find(searching, attributes={"color": "blue"}))) == ["k1", "k3", "s1"]
    assert sorted(ids(find(searching, attributes={"color": "blue"}, category="Kitchen", brand="Leaf"))) == ["k3"]
    assert sorted(ids(find(searching, product_ids=("k1", "h1", "k5", "never heard of")))) == ["h1", "k1"]


def test_facets_count_what_was_found(searching: Searcher) -> None:
    facets = find(searching, "kettle").facets
    assert counted(facets.brand) == {"Hearth": 2, "Leaf": 1}
    assert counted(facets.attributes["color"]) == {"blue": 2, "red": 1}
    assert sum(one.count for one in facets.price) == 3
    assert counted(find(searching).facets.category) == {
        "Kitchen": 5,
        "数码": 2,
        "Clothes": 1,
        "Electronics": 1,
        "厨房": 1,
    }
    assert counted(find(searching, category="Kitchen").facets.category) == {
        "Kitchen > Kettles": 3,
        "Kitchen > Teapots": 1,
        "Kitchen > Cups": 1,
    }


def test_a_facet_with_a_chosen_value_still_offers_the_others(searching: Searcher) -> None:
    facets = find(searching, "kettle", brand="Leaf", attributes={"color": "blue"}).facets
    assert counted(facets.brand) == {"Hearth": 1, "Leaf": 1}, "of blue kettles"
    assert counted(facets.attributes["color"]) == {"blue": 1}, "of Leaf's kettles"
    priced = find(searching, "kettle", price_max=Decimal(15)).facets
    assert counted(priced.brand) == {"Leaf": 1}
    assert sum(one.count for one in priced.price) == 3, "of kettles at any price"


def test_a_price_range_holds_as_many_as_its_filter_finds(searching: Searcher) -> None:
    ranges = find(searching).facets.price
    assert len(ranges) >= 3
    for one in ranges:
        low = None if one.low is None else Decimal(f"{one.low:.2f}")
        high = None if one.high is None else Decimal(f"{one.high:.2f}")
        assert find(searching, price_min=low or Decimal(0), price_max=high).total == one.count


def test_facets_can_be_left_out(searching: Searcher) -> None:
    assert find(searching, "kettle", facets=False).facets == Facets()


def test_orders(searching: Searcher) -> None:
    assert ids(find(searching, "kettle", sort=SearchSort.CHEAPEST)) == ["k3", "k2", "k1"]
    assert ids(find(searching, "kettle", sort=SearchSort.DEAREST)) == ["k1", "k2", "k3"]
    everything = ids(find(searching, sort=SearchSort.CHEAPEST))
    assert everything[0] == "k3"
    assert everything[-1] == "t1", "what has no price comes last"


def test_pages_follow_each_other_without_gap_or_repeat(searching: Searcher) -> None:
    for wanted in ({}, {"q": "leaf kettle kitchen"}, {"sort": SearchSort.DEAREST}):
        whole = ids(find(searching, n=100, **wanted))
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = find(searching, n=3, cursor=cursor, **wanted)
            assert [hit.rank for hit in page.hits] == list(range(len(found) + 1, len(found) + len(page.hits) + 1))
            found += ids(page)
            cursor = page.next_cursor
        assert found == whole


@pytest.mark.parametrize("cursor", ["???", "MA", "é", "AAAA", "x" * 150])
def test_a_cursor_that_nobody_gave_is_refused(searching: Searcher, cursor: str) -> None:
    with pytest.raises(InvalidSearchError) as caught:
        find(searching, "kettle", cursor=cursor)
    assert list(caught.value.errors) == ["cursor"]


def test_a_cursor_of_another_search_is_refused(searching: Searcher) -> None:
    cursor = find(searching, n=2).next_cursor
    assert cursor is not None
    with pytest.raises(InvalidSearchError):
        find(searching, "kettle", n=2, cursor=cursor)


def test_nothing_found_is_what_is_popular_unless_strict(searching: Searcher) -> None:
    likes = {"popularity": lambda rows: (rows == searching.current(now=NOON).catalog.find_row("b1")).astype(np.float32)}
    found = find(searching, "xylophone", around=likes)
    assert (found.total, found.fallback, found.next_cursor) == (0, "popular", None)
    assert ids(found)[0] == "b1"
    assert ("product", "不锈钢保温杯") in [(one.kind, one.text) for one in found.suggestions]
    assert find(searching, "xylophone", strict=True).hits == []
    impossible = find(searching, "kettle", price_min=Decimal(10**6))
    assert impossible.fallback == "popular"
    assert len(impossible.hits) == 10, "filters that nothing fits are let go"
    assert find(searching, product_ids=("never heard of",)).hits == []


def test_a_misspelt_query_says_what_was_looked_for(searching: Searcher) -> None:
    found = find(searching, "ketle")
    assert found.corrected == "kettle"
    assert sorted(ids(found)) == ["k1", "k2", "k3"]
    assert (found.suggestions[0].kind, found.suggestions[0].value) == ("query", "kettle")


def test_an_unfinished_word_is_completed_in_the_suggestions(searching: Searcher) -> None:
    assert [one.value for one in find(searching, "glass tea").suggestions if one.kind == "query"] == ["glass teapot"]


def test_categories_of_that_name_are_suggested_where_little_was_found(searching: Searcher) -> None:
    suggested = [one.value for one in find(searching, "kettle").suggestions if one.kind == "category"]
    assert suggested == ["Kitchen > Kettles"]


def wants(searching: Searcher, **shares: float) -> dict[str, Any]:
    shelf = searching.current(now=NOON).catalog
    values = np.zeros(shelf.n, np.float32)
    for product_id, share in shares.items():
        values[shelf.find_row(product_id)] = share
    return {"person_scores": lambda rows: values[rows]}


def test_the_order_is_the_persons_where_that_is_wanted(searching: Searcher) -> None:
    plain = find(searching, "kettle")
    own = find(searching, "kettle", around=wants(searching, k1=1.0))
    assert ids(plain)[0] != "k1"
    assert ids(own)[0] == "k1"
    hit = own.hits[0]
    assert (hit.personal, hit.score) == (1.5, pytest.approx(hit.text * 1.5))
    assert hit.text == pytest.approx(next(one.text for one in plain.hits if one.row == hit.row))
    off = find(searching, "kettle", around=wants(searching, k1=1.0), personalised=False)
    assert ids(off) == ids(plain)


def test_no_wish_lifts_a_product_over_one_that_answers_more_words(searching: Searcher) -> None:
    assert ids(find(searching, "red kettle", around=wants(searching, k1=1.0)))[0] == "k2"


@dataclass
class SaidRules:
    allowed: npt.NDArray[np.bool_] | None = None
    factors: npt.NDArray[np.float32] | None = None
    pins: list[tuple[int, int]] = field(default_factory=list)


def test_what_the_merchandiser_says_holds(searching: Searcher) -> None:
    shelf = searching.current(now=NOON).catalog
    hidden = np.ones(shelf.n, np.bool_)
    hidden[shelf.find_row("k2")] = False
    assert sorted(ids(find(searching, "kettle", around={"rules": SaidRules(allowed=hidden)}))) == ["k1", "k3"]
    factors = np.ones(shelf.n, np.float32)
    factors[shelf.find_row("k1")] = 10
    found = find(searching, "kettle", around={"rules": SaidRules(factors=factors)})
    assert ids(found)[0] == "k1"
    assert found.hits[0].rule == 10


def test_pinned_products_stand_at_their_places_on_every_page(searching: Searcher) -> None:
    shelf = searching.current(now=NOON).catalog
    plain = ids(find(searching, "kettle"))
    rules = SaidRules(pins=[(2, shelf.find_row(plain[2])), (1, shelf.find_row("k4")), (3, shelf.find_row("p1"))])
    found = find(searching, "kettle", around={"rules": rules})
    assert ids(found) == [plain[0], plain[2], plain[1]], "what is sold out or no kettle is not pinned"
    assert [hit.pinned for hit in found.hits] == [False, True, False]
    everything = find(searching, "", around={"rules": rules})
    assert (ids(everything)[1], ids(everything)[2]) == (plain[2], "p1")
    pages = [find(searching, "kettle", n=2, around={"rules": rules})]
    pages.append(find(searching, "kettle", n=2, around={"rules": rules}, cursor=pages[0].next_cursor or ""))
    assert [product for page in pages for product in ids(page)] == ids(found)
    assert ids(find(searching, "kettle", brand="Hearth", around={"rules": rules})) == [
        name for name in plain if name in ("k1", "k2")
    ]


def test_pins_beyond_the_end_stand_at_the_end() -> None:
    assert insert_pins([0, 1], {9: 7, 0: 5}, upto=20) == [-6, 0, 1, -8]
    assert insert_pins([], {}, upto=3) == []


def test_a_search_asks_the_database_nothing(
    searching: Searcher, django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "REFRESH_INTERVAL_S", 3600.0)
    monkeypatch.setattr("recommendations.serving.state.loader.REFRESH_INTERVAL_SECONDS", 3600.0)
    find(searching, "kettle")
    with django_assert_num_queries(0):
        find(searching, "blue kettle", brand="Hearth")
        find(searching, "")
        find(searching, "xylophone")
