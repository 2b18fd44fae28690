from datetime import timedelta
from typing import Any

import pytest
from django.utils import translation

from catalog.models import Availability, Product
from recommendations.serving.pipeline.new_products import merge_new_products
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from tests.makers import NOON


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


def test_the_tenth_position_shows_a_new_product_with_that_reason(new_coffees: set[str], loader: StateLoader) -> None:
    with translation.override("zh-hans"):
        response = get_response(loader, n=12)
    assert list(list_explored(response)) == [10]
    assert list_explored(response)[10] in new_coffees
    assert response.items[9].reason is not None
    assert response.items[9].reason.text == "本店新品"
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


def test_a_short_list_and_a_share_of_0_explore_nothing(
    new_coffees: set[str], loader: StateLoader, settings: Any
) -> None:
    assert list_explored(get_response(loader, n=9)) == {}
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


def test_merging_shows_no_row_twice_and_continues_when_one_list_ends() -> None:
    ranked = [(row, 1.0 - row / 10) for row in range(5)]
    assert [row for row, _ in merge_new_products(ranked, [1, 7, 8], every=3)] == [0, 1, 7, 2, 3, 8, 4]
    assert [row for row, _ in merge_new_products(ranked[:1], [7, 8], every=2)] == [0, 7]
    assert [row for row, _ in merge_new_products(ranked, [], every=2)] == [0, 1, 2, 3, 4]
