"""Search is evaluated by the products that customers chose after it."""

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from customers.events.models import Event
from customers.identity.models import Identifier
from customers.warehouse.export import export_warehouse
from recommendations.engine.evaluation.bootstrap import UNIT, estimate_intervals
from recommendations.serving.search.evaluation import average_by_customer, evaluate_search, read_searches
from recommendations.serving.search.searcher import Searcher
from tests.makers import NOON, make_customer, make_source

MINUTE = timedelta(minutes=1)


def make_events(*rows: tuple[str, datetime, str, Any]) -> None:
    """Store and export events, each given as (user id, time, name, query or product ids)."""
    source = make_source()
    for user_id in {row[0] for row in rows}:
        if not Identifier.objects.filter(kind="user_id", value=user_id).exists():
            make_customer(user_id)
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=str(number),
            type="track",
            name=name,
            user_id=user_id,
            occurred_at=at,
            received_at=at,
            product_ids=value if isinstance(value, list) else [],
            properties={"query": value} if isinstance(value, str) else {},
        )
        for number, (user_id, at, name, value) in enumerate(rows)
    )
    export_warehouse(started_at=max(at for _user_id, at, _name, _value in rows) + MINUTE)


def test_a_search_is_joined_with_the_products_chosen_within_half_an_hour(shop_of_twelve: None) -> None:
    make_events(
        ("ann", NOON, "Products Searched", "kettle"),
        ("ann", NOON + MINUTE, "Product Clicked", ["k1"]),
        ("ann", NOON + 2 * MINUTE, "Product Added", ["k1", "k2"]),
        ("ann", NOON + 3 * MINUTE, "Products Searched", "cups"),
        ("ann", NOON + 40 * MINUTE, "Product Viewed", ["c1"]),  # too late
        ("bob", NOON + MINUTE, "Product Viewed", ["p1"]),  # no search before it
        ("eve", NOON, "Product Viewed", ["p1"]),  # before the search
        ("eve", NOON + MINUTE, "view_search_results", "teapot"),
        ("eve", NOON + 2 * MINUTE, "select_item", ["p1"]),
    )
    searches = read_searches(since=NOON - MINUTE, until=NOON + timedelta(hours=2))
    assert sorted((search.user_id, search.query, sorted(search.product_ids)) for search in searches) == [
        ("ann", "kettle", ["k1", "k2"]),
        ("eve", "teapot", ["p1"]),
    ]
    assert read_searches(since=NOON + 2 * MINUTE, until=NOON + timedelta(hours=2)) == []


def test_the_metrics_cover_the_first_ten_positions(shop_of_twelve: None, fresh_searcher: Searcher) -> None:
    make_events(
        ("ann", NOON, "Products Searched", "teapot"),
        ("ann", NOON + MINUTE, "Product Clicked", ["p1"]),  # a match
        ("bob", NOON, "Products Searched", "teapot"),
        ("bob", NOON + MINUTE, "Product Clicked", ["h1"]),  # no match
    )
    searches = read_searches(since=NOON - MINUTE, until=NOON + timedelta(hours=1))
    (evaluation,) = evaluate_search(searches=searches, now=NOON, source=fresh_searcher)
    assert evaluation.searches == 2
    assert {name: interval.value for name, interval in evaluation.figures.items()} == {
        "mrr@10": 0.5,
        "hit_rate@10": 0.5,
        "ndcg@10": 0.5,
    }


def test_a_customer_who_searches_often_counts_once() -> None:
    columns = np.array([[1.0], [1.0], [1.0], [0.0], [0.5]])
    assert average_by_customer(columns, np.array([7, 7, 7, 3, 5])).tolist() == [[0.0], [0.5], [1.0]]
    # 300 customers with hit rates of their own, 8 searches each on average; intervals of single searches contain the truth in 65%
    draws, contained = np.random.default_rng(4), []
    for _ in range(30):
        customer = np.repeat(np.arange(300), draws.geometric(1 / 8, 300))
        hits = (draws.random(len(customer)) < draws.beta(1, 2, 300)[customer]).astype(np.float64)
        (interval,) = estimate_intervals(average_by_customer(hits[:, None], customer), seed=1, bounds=UNIT)
        contained.append(interval.low <= 1 / 3 <= interval.high)
    assert np.mean(contained) >= 0.85


def test_the_personal_order_is_evaluated_after_the_training_data(trained: Any, loader: Any) -> None:
    before, after = NOON - timedelta(days=1), NOON + timedelta(hours=1)
    rows: list[tuple[str, datetime, str, Any]] = []
    for number in range(8):
        user_id, taste = f"user-{number}", ("tea", "coffee")[number % 2]
        rows += [
            (user_id, before, "Products Searched", "house"),
            (user_id, before + MINUTE, "Product Viewed", ["cake-1"]),
            (user_id, after, "Products Searched", "house"),
            (user_id, after + MINUTE, "Product Clicked", [f"{taste}-{product}" for product in range(5)]),
        ]
    make_events(*rows)
    searches = read_searches(since=NOON - timedelta(days=2), until=NOON + timedelta(days=1))
    everything, general, personal = evaluate_search(
        searches=searches, now=NOON + timedelta(hours=3), source=Searcher(source=loader, background=False)
    )
    assert (everything.searches, general.searches, personal.searches) == (16, 8, 8)
    assert personal.figures["mrr@10"].value == 1.0, "a product of the customer's taste is first"
    assert general.figures["mrr@10"].value < 1.0, "the general order cannot suit both tastes"


def test_without_searches_the_command_explains_what_to_send(shop_of_twelve: None) -> None:
    with pytest.raises(CommandError, match="Products Searched"):
        call_command("evaluate_search")
    with pytest.raises(CommandError, match="--days is 0"):
        call_command("evaluate_search", days=0)


def test_the_command_prints_the_metrics(shop_of_twelve: None) -> None:
    now = timezone.now()
    make_events(
        ("ann", now - 9 * MINUTE, "Products Searched", "teapot"),
        ("ann", now - 8 * MINUTE, "Product Clicked", ["p1"]),
    )
    out = StringIO()
    call_command("evaluate_search", stdout=out)
    assert "all searches, general order: 1 searches, mrr@10 1.0000" in out.getvalue()
