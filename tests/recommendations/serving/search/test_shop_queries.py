"""The queries of the shop correct and complete what others type, and only if several people chose matching products."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Product
from recommendations.serving.search.models import ShopQuery
from recommendations.serving.search.queries.autocomplete import AutocompleteRequest, autocomplete
from recommendations.serving.search.queries.query_learning import MIN_PEOPLE, learn_shop_queries
from recommendations.serving.search.queries.shop_queries import ShopQueries
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.search.search import search
from recommendations.serving.search.searcher import Searcher
from tests.makers import NOON, make_product
from tests.recommendations.serving.search.test_evaluation import MINUTE, make_events

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def shop(db: None, folders: Any, valkey: Any) -> None:
    for number in range(4):
        make_product(f"bandana-{number}", title=f"Bandana {number}", category="Clothes")
    for number in range(2):
        make_product(f"havana-{number}", title=f"Havana cigar {number}", category="Tobacco")
        make_product(f"cabana-{number}", title=f"Cabana towel {number}", category="Garden")
        make_product(f"balsam-{number}", title=f"Balsam {number}", category="Beauty")
        make_product(f"balsom-{number}", title=f"Balsom {number}", category="Beauty")


def make_choices(*groups: tuple[str, str, int]) -> None:
    """Store (query, product chosen after it, number of people) and learn from them."""
    rows: list[tuple[str, Any, str, Any]] = []
    for group, (query, product_id, people) in enumerate(groups):
        for person in range(people):
            rows.append((f"p{group}-{person}", NOON, "Products Searched", query))
            rows.append((f"p{group}-{person}", NOON + MINUTE, "Product Clicked", [product_id]))
    make_events(*rows)
    learn_shop_queries(at=LATER)


def list_learned() -> dict[str, int]:
    return dict(ShopQuery.objects.values_list("text", "people"))


@pytest.mark.usefixtures("shop")
def test_a_query_is_learned_from_several_people_who_chose_matching_products() -> None:
    make_choices(
        ("Havana  Cigars", "havana-0", MIN_PEOPLE),
        ("cabana", "cabana-0", MIN_PEOPLE - 1),  # too few people
        ("bandana", "havana-0", MIN_PEOPLE),  # chose another product
        ("anna smith bandana", "bandana-0", MIN_PEOPLE),  # words of no product
        ("bandanna", "bandana-0", MIN_PEOPLE),  # a misspelling
        ("bandana 3", "bandana-3", MIN_PEOPLE),  # one product only
    )
    assert list_learned() == {"havana cigars": MIN_PEOPLE}


@pytest.mark.usefixtures("shop")
def test_one_person_who_searches_often_counts_once() -> None:
    rows = [
        row
        for number in range(20)
        for row in (
            ("ann", NOON + 2 * number * MINUTE, "Products Searched", "cabana"),
            ("ann", NOON + (2 * number + 1) * MINUTE, "Product Clicked", ["cabana-0"]),
        )
    ]
    make_events(*rows)
    assert learn_shop_queries(at=NOON + timedelta(hours=2)) == 0


@pytest.mark.usefixtures("shop")
def test_people_decide_between_corrections_and_the_typed_words_stay_available(fresh_searcher: Searcher) -> None:
    def correct(**fields: Any) -> str | None:
        return search(SearchRequest(q="balsem", **fields), snapshot=fresh_searcher.get_snapshot(now=NOON)).corrected

    before = correct()
    assert before in ("balsam", "balsom"), "one edit each"
    meant = "balsam" if before == "balsom" else "balsom"
    make_choices((meant, f"{meant}-0", 40))
    fresh_searcher.refresh(now=NOON)
    assert correct() == meant
    assert correct(autocorrect=False) is None


@pytest.mark.usefixtures("shop")
def test_queries_of_the_shop_are_suggested_while_products_match(fresh_searcher: Searcher) -> None:
    make_choices(("cabana towel", "cabana-0", 9), ("havana cigar", "havana-0", 7))

    def complete(text: str) -> list[str]:
        snapshot = fresh_searcher.get_snapshot(now=NOON)
        return list(autocomplete(AutocompleteRequest(text, language="en"), snapshot=snapshot).queries)

    assert complete("ca")[0] == "cabana towel"
    assert complete("cabana t")[0] == "cabana towel"
    make_product("new", title="Another product")
    fresh_searcher.refresh(now=NOON)
    assert complete("ca")[0] == "cabana towel", "kept after an update of the index"
    Product.objects.filter(product_id__startswith="cabana").update(is_active=False, updated_at=timezone.now())
    fresh_searcher.source.refresh(now=NOON)
    fresh_searcher.refresh(now=NOON)
    assert "cabana towel" not in complete("cab")


def test_people_of_a_query_with_the_other_words_count_most() -> None:
    queries = ShopQueries(people={"chicken breasts": 10, "white bread": 40})
    assert queries.count_people("breast") == 10
    assert queries.count_people("breast", frozenset({"chicken"})) == 10
    assert queries.count_people("bread", frozenset({"chicken"})) == pytest.approx(2)


def test_a_new_shop_has_no_queries() -> None:
    queries = ShopQueries()
    assert len(queries) == 0
    assert queries.complete("mi", n=5) == []
    assert queries.count_people("milk") == 0
