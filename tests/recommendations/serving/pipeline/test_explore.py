from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import translation

from catalog.models import Availability, Product
from customers.orders.models import OrderLine
from customers.warehouse.current_tables import open_current_warehouse
from customers.warehouse.export import export_warehouse
from recommendations.serving.impressions.models import Impression
from recommendations.serving.pipeline.new_products import list_exploration_slots, merge_new_products
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.state.loader import StateLoader
from recommendations.training.data.exploration_data import count_people
from recommendations.training.models import ModelVersion
from recommendations.training.registry.incremental_update import refresh_active_version
from tests.makers import NOON, make_customer, make_order


@pytest.fixture
def new_coffees(trained: ModelVersion) -> set[str]:
    """Publish two coffees yesterday and all other products long ago; tea drinkers do not know these coffees."""
    names = {"coffee-0", "coffee-1"}
    Product.objects.update(published_at=NOON - timedelta(days=400))
    Product.objects.filter(product_id__in=names).update(published_at=NOON - timedelta(days=1))
    return names


def get_response(loader: StateLoader, **fields: Any) -> RecommendationResponse:
    return recommend(
        request=RecommendationRequest(scenario="for-you", user_id="user-0", **fields), now=NOON, source=loader
    )


def list_ids(response: RecommendationResponse) -> list[str]:
    return [item.product_id for item in response.items]


def list_explored(response: RecommendationResponse) -> dict[int, str]:
    """Return rank → product of the new products."""
    return {item.rank: item.product_id for item in response.items if item.reason and item.reason.code == "new"}


def test_one_of_ten_positions_shows_a_new_product_with_that_reason(new_coffees: set[str], loader: StateLoader) -> None:
    with translation.override("zh-hans"):
        response = get_response(loader, n=10)
    [(rank, product_id)] = list_explored(response).items()
    assert rank > 1
    assert product_id in new_coffees
    reason = response.items[rank - 1].reason
    assert reason is not None
    assert reason.text == "本店新品"
    assert len(set(list_ids(response))) == len(response.items)


def test_within_a_minute_a_customer_gets_the_same_products_and_pages_stay_consistent(
    new_coffees: set[str], loader: StateLoader
) -> None:
    whole = get_response(loader, n=12)
    assert list_ids(get_response(loader, n=12)) == list_ids(whole)
    first = get_response(loader, n=6)
    later = RecommendationRequest(scenario="for-you", user_id="user-0", n=6, cursor=first.next_cursor or "")
    second = recommend(request=later, now=NOON + timedelta(minutes=5), source=loader)
    assert list_ids(first) + list_ids(second) == list_ids(whole)


def test_a_row_of_four_shows_new_products_too_and_a_share_of_0_none(
    new_coffees: set[str], loader: StateLoader, settings: Any
) -> None:
    ranks = set()
    for minute in range(60):
        request = RecommendationRequest(scenario="for-you", user_id="user-0", n=4)
        response = recommend(request=request, now=NOON + timedelta(minutes=minute), source=loader)
        ranks.update(list_explored(response))
    assert ranks == {2, 3, 4}
    settings.RECOMMEND_EXPLORATION_SHARE = 0.0
    assert list_explored(get_response(loader, n=12)) == {}


def test_a_product_that_must_not_be_shown_is_not_explored(new_coffees: set[str], loader: StateLoader) -> None:
    Product.objects.filter(product_id="coffee-0").update(availability=Availability.OUT_OF_STOCK, updated_at=NOON)
    assert list_explored(get_response(loader, n=12, exclude=["coffee-1"])) == {}
    assert set(list_explored(get_response(loader, n=12)).values()) == {"coffee-1"}


def test_a_purchased_product_is_not_explored(trained: ModelVersion, loader: StateLoader) -> None:
    Product.objects.filter(product_id__startswith="tea").update(published_at=NOON - timedelta(days=1))
    assert list_explored(get_response(loader, n=12)) == {}, "user-0 has bought every tea"


def test_without_new_products_the_ranking_does_not_change(
    trained: ModelVersion, loader: StateLoader, settings: Any
) -> None:
    response = get_response(loader, n=12)
    settings.RECOMMEND_EXPLORATION_SHARE = 0.0
    assert list_ids(get_response(loader, n=12)) == list_ids(response)


def show(product_id: str, *, people: int, at: datetime, start: int = 0) -> None:
    Impression.objects.bulk_create(
        Impression(
            recommendation_id=f"{product_id}/{number}", scenario="new", anonymous_id=f"visitor-{number}",
            model_version="blend-1", strategy="new", served_at=at, product_ids=[product_id],
        )
        for number in range(start, start + people)
    )  # fmt: skip


def test_a_product_shown_to_a_thousand_people_in_vain_is_not_explored_any_more(
    new_coffees: set[str], loader: StateLoader
) -> None:
    later = NOON + timedelta(hours=1)
    show("coffee-0", people=600, at=NOON - timedelta(hours=1))
    show("coffee-0", people=400, at=NOON - timedelta(hours=2))
    export_warehouse(started_at=NOON)
    make_order(make_customer("buyer"), placed_at=NOON + timedelta(minutes=5), products=[Product.objects.first()])  # type: ignore[list-item]
    refresh_active_version(as_of=later)
    loader.refresh(now=later)
    assert set(list_explored(get_response(loader, n=12)).values()) <= new_coffees, "600 people"
    explored = list_explored(get_response(loader, n=12, exclude=["coffee-1"]))
    assert set(explored.values()) == {"coffee-0"}
    show("coffee-0", people=400, at=NOON + timedelta(minutes=10), start=600)
    refresh_active_version(as_of=later + timedelta(minutes=15))
    loader.refresh(now=later)
    assert list_explored(get_response(loader, n=12, exclude=["coffee-1"])) == {}
    assert set(list_explored(get_response(loader, n=12)).values()) == {"coffee-1"}


def test_interest_is_counted_of_the_people_a_product_was_shown_to(new_coffees: set[str], loader: StateLoader) -> None:
    at, later = NOON + timedelta(hours=1), NOON + timedelta(hours=3)
    fan, other, early = (make_customer(name) for name in ("fan", "other", "early"))
    coffee = Product.objects.get(product_id="coffee-0")
    for customer in (fan, other, early):
        Impression.objects.create(
            recommendation_id=f"r{customer.pk}", scenario="new", customer=customer, model_version="blend-1",
            strategy="new", served_at=at, product_ids=["coffee-0", "coffee-1", "tea-0"],
        )  # fmt: skip
    make_order(fan, placed_at=at + timedelta(minutes=1), products=[coffee])
    make_order(early, placed_at=at - timedelta(minutes=1), products=[coffee])
    export_warehouse(started_at=NOON)
    with open_current_warehouse(as_of=later) as tables:
        counts = count_people(tables, ["coffee-0", "coffee-1"], since=NOON - timedelta(days=30), as_of=later)
    before = OrderLine.objects.filter(product=coffee, order__placed_at__gte=NOON - timedelta(days=30))
    people = len(set(before.values_list("order__customer", flat=True)))
    assert counts["coffee-0"] == (3, 1, people)
    assert counts["coffee-1"][:2] == (3, 0)


def test_an_impression_that_was_written_after_the_export_counts(new_coffees: set[str], loader: StateLoader) -> None:
    later = NOON + timedelta(hours=3)
    show("coffee-0", people=2, at=NOON - timedelta(hours=1))
    export_warehouse(started_at=NOON)
    show("coffee-0", people=3, at=NOON - timedelta(minutes=1), start=2)
    with open_current_warehouse(as_of=later) as tables:
        counts = count_people(tables, ["coffee-0"], since=NOON - timedelta(days=30), as_of=later)
    assert counts["coffee-0"][0] == 5


@pytest.mark.parametrize("interval", [2, 3, 10, 40])
def test_the_share_of_slots_holds_for_rows_of_any_length(interval: int) -> None:
    rows = [list_exploration_slots(interval=interval, seed=seed, end=100) for seed in range(1500)]
    assert not any(1 in slots for slots in rows), "the first position keeps the best product"
    for n in (2, 4, 9, 10, 25, 100):
        total = sum(slot <= n for slots in rows for slot in slots)
        expected = len(rows) * n / interval
        assert abs(total - expected) < 5 * expected**0.5, n
    assert all(slots == sorted(set(slots)) for slots in rows)
    assert list_exploration_slots(interval=interval, seed=7, end=30) == [slot for slot in rows[7] if slot <= 30]
    assert list_exploration_slots(interval=1, seed=7, end=3) == [1, 2, 3]


def test_merging_shows_no_row_twice_and_continues_when_one_list_ends() -> None:
    ranked = [(row, 1.0 - row / 10) for row in range(5)]
    assert [row for row, _ in merge_new_products(ranked, [1, 7, 8], slots={3, 6})] == [0, 1, 7, 2, 3, 8, 4]
    assert [row for row, _ in merge_new_products(ranked[:1], [7, 8], slots={2, 4})] == [0, 7]
    assert [row for row, _ in merge_new_products(ranked, [], slots={2, 4})] == [0, 1, 2, 3, 4]
