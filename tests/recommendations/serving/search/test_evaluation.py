"""Search is evaluated by the products that customers chose after it."""

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from customers.events.models import Event
from customers.identity.models import Identifier
from customers.warehouse.export import export_warehouse
from recommendations.serving.search.evaluation import evaluate_search, read_searches
from recommendations.serving.search.searcher import Searcher
from tests.makers import NOON, make_customer, make_source

MINUTE = timedelta(minutes=1)


def make_events(*rows: tuple[str, datetime, str, Any]) -> None:
    """(who, when, name, query or product ids)"""
    source = make_source()
    for who in {event[0] for event in rows}:
        if not Identifier.objects.filter(kind="user_id", value=who).exists():
            make_customer(who)
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=str(number),
            type="track",
            name=name,
            user_id=who,
            occurred_at=at,
            received_at=at,
            product_ids=what if isinstance(what, list) else [],
            properties={"query": what} if isinstance(what, str) else {},
        )
        for number, (who, at, name, what) in enumerate(rows)
    )
    export_warehouse(started_at=max(at for _who, at, _name, _what in rows) + MINUTE)


def test_a_search_is_joined_with_the_products_chosen_soon_after_it(shop_of_twelve: None) -> None:
    make_events(
        ("ann", NOON, "Products Searched", "kettle"),
        ("ann", NOON + MINUTE, "Product Clicked", ["k1"]),
        ("ann", NOON + 2 * MINUTE, "Product Added", ["k1", "k2"]),
        ("ann", NOON + 3 * MINUTE, "Products Searched", "cups"),
        ("ann", NOON + 40 * MINUTE, "Product Viewed", ["c1"]),  # too late
        ("bob", NOON + MINUTE, "Product Viewed", ["p1"]),  # searched nothing
        ("eve", NOON, "Product Viewed", ["p1"]),  # before the search
        ("eve", NOON + MINUTE, "view_search_results", "teapot"),
        ("eve", NOON + 2 * MINUTE, "select_item", ["p1"]),
    )
    found = read_searches(since=NOON - MINUTE, until=NOON + timedelta(hours=2))
    assert sorted((one.user_id, one.query, sorted(one.chosen)) for one in found) == [
        ("ann", "kettle", ["k1", "k2"]),
        ("eve", "teapot", ["p1"]),
    ]
    assert read_searches(since=NOON + 2 * MINUTE, until=NOON + timedelta(hours=2)) == []


def test_the_figures_cover_the_first_ten_positions(shop_of_twelve: None, searching: Searcher) -> None:
    make_events(
        ("ann", NOON, "Products Searched", "teapot"),
        ("ann", NOON + MINUTE, "Product Clicked", ["p1"]),  # the only one that is found
        ("bob", NOON, "Products Searched", "teapot"),
        ("bob", NOON + MINUTE, "Product Clicked", ["h1"]),  # not found
    )
    searches = read_searches(since=NOON - MINUTE, until=NOON + timedelta(hours=1))
    (found,) = evaluate_search(searches=searches, now=NOON, source=searching)
    assert found.searches == 2
    assert {name: interval.value for name, interval in found.figures.items()} == {
        "mrr@10": 0.5,
        "hit_rate@10": 0.5,
        "ndcg@10": 0.5,
    }


def test_the_personal_order_is_evaluated_after_the_training_data(trained: Any, loader: Any) -> None:
    before, after = NOON - timedelta(days=1), NOON + timedelta(hours=1)
    rows: list[tuple[str, datetime, str, Any]] = []
    for place in range(8):
        who = f"user-{place}"
        rows += [
            (who, before, "Products Searched", "house"),
            (who, before + MINUTE, "Product Viewed", ["cake-1"]),
            (who, after, "Products Searched", "house"),
            (
                who,
                after + MINUTE,
                "Product Clicked",
                [f"{('tea', 'coffee')[place % 2]}-{number}" for number in range(5)],
            ),
        ]
    make_events(*rows)
    searches = read_searches(since=NOON - timedelta(days=2), until=NOON + timedelta(days=1))
    everything, plain, own = evaluate_search(
        searches=searches, now=NOON + timedelta(hours=3), source=Searcher(source=loader, background=False)
    )
    assert (everything.searches, plain.searches, own.searches) == (16, 8, 8)
    assert own.figures["mrr@10"].value == 1.0, "a product of the customer's taste is first"
    assert plain.figures["mrr@10"].value < 1.0, "the general order cannot suit both tastes"


def test_without_searches_the_command_says_what_to_do(shop_of_twelve: None) -> None:
    with pytest.raises(CommandError, match="Products Searched"):
        call_command("evaluate_search")
    with pytest.raises(CommandError, match="--days is 0"):
        call_command("evaluate_search", days=0)


def test_the_command_prints_the_figures(shop_of_twelve: None) -> None:
    now = timezone.now()
    make_events(
        ("ann", now - 9 * MINUTE, "Products Searched", "teapot"),
        ("ann", now - 8 * MINUTE, "Product Clicked", ["p1"]),
    )
    out = StringIO()
    call_command("evaluate_search", stdout=out)
    assert "all searches, general order: 1 searches, mrr@10 1.0000" in out.getvalue()
